/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/version.h"
#include "host/cli/cli.h"

void print_version(void)
{
	printf("kata-runtime  : %s\n   commit   : %s\n   OCI specs: %s\n", kata_version,
	       kata_commit, OCI_SPEC_VERSION);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	(void)cli;
	(void)argc;
	(void)argv;
	(void)err;
	print_version();
	return 0;
}

const struct command cmd_version = {
	.name = "version",
	.args = "",
	.help = "show the version of this program and of the specification it follows",
	.run = run,
};
