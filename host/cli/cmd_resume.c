/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "host/cli/opened.h"
#include "host/cli/task_verbs.h"

#define RESUME_LIMIT_MS 20000

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	auto_opened struct opened o = { NULL, NULL, NULL };
	int r = opened_open(&o, cli, argv[0], err);

	(void)argc;
	return r < 0 ? r : task_resume(o.task, RESUME_LIMIT_MS, err);
}

const struct command cmd_resume = {
	.name = "resume",
	.args = "ID",
	.help = "let the processes of a paused container go on",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
