/* SPDX-License-Identifier: Apache-2.0 */
/* features: as of the OCI runtime specification's features.md. */
#include <stdio.h>

#include "host/cli/cli.h"
#include "host/cli/feature_list.h"

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	json_object *obj = features_json();

	(void)cli;
	(void)argc;
	(void)argv;
	(void)err;
	puts(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PRETTY |
							 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(obj);
	return 0;
}

const struct command cmd_features = {
	.name = "features",
	.args = "",
	.help = "show as JSON what of the OCI specification is carried out",
	.max_args = 0,
	.run = run,
};
