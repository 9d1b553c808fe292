/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "host/cli/opened.h"
#include "host/cli/task_verbs.h"

/* The agent's own limit is 5 s, for processes that do not come to rest. */
#define PAUSE_LIMIT_MS 20000

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	auto_opened struct opened o = { NULL, NULL, NULL };
	int r = opened_open(&o, cli, argv[0], err);

	(void)argc;
	return r < 0 ? r : task_pause(o.task, PAUSE_LIMIT_MS, err);
}

const struct command cmd_pause = {
	.name = "pause",
	.args = "ID",
	.help = "stop all processes of a container where they are, until it is resumed",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
