/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor's command line, an argument a line. */
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "fuzz.h"
#include "vmm/cmdline.h"

#define ARGS_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	static struct cmdline c;
	struct err err = ERR_INIT;
	char *argv[ARGS_MAX] = { (char *)"kata-vmm" }, *rest = text, *arg;
	int fds[CMDLINE_FDS_MAX];
	int argc = 1;

	while (argc < ARGS_MAX && (arg = strsep(&rest, "\n")))
		argv[argc++] = arg;
	if (cmdline_parse(&c, argc, argv, &err) < 0) {
		must(err.msg[0]);
		return 0;
	}
	if (c.help || c.version)
		return 0;
	must(c.kernel && c.cpus >= 1 && c.cpus <= 254 && c.memory_mib >= 64);
	must(c.n_disks <= CMDLINE_DEVICES_MAX && c.n_nets <= CMDLINE_DEVICES_MAX);
	must(cmdline_fds(&c, fds) <= CMDLINE_FDS_MAX);
	return 0;
}
