/* SPDX-License-Identifier: Apache-2.0 */
/* create: a container whose program waits for `start`. */
#include "host/cli/cli.h"
#include "host/cli/launch.h"

static struct launch_options opt = { .bundle = "." };

static const struct flag flags[] = { LAUNCH_FLAGS(opt), { 0 } };

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct launch l = LAUNCH_INIT(cli, argv[0], &opt, true);
	int status = 0, r = launch_prepare(&l, err);

	(void)argc;
	if (r == 0) {
		r = launch_create(&l, err);
		if (r == 0)
			r = launch_keep(&l, false, err);
		if (r < 0) {
			status = launch_undo(&l, r, err);
			cli_error(err);
		}
	}
	launch_free(&l);
	return status ? status : r;
}

const struct command cmd_create = {
	.name = "create",
	.args = "[options] ID",
	.help = "make a container that waits for start",
	.more = "Its process ID (--pid-file) is that of a process which stands for it: signals to it\n"
		"reach the container, and it ends with the container's exit status.",
	.flags = flags,
	.wants_root = true,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
