/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/cli/cli.h"
#include "host/cli/hook_time.h"
#include "host/cli/task_client.h"
#include "host/cli/view.h"

#define START_LIMIT_MS 60000

/* The words are those that engines know from other runtimes. */
static int check_startable(struct loop *loop, struct sandbox_state *st, const char *id,
			   struct err *err)
{
	struct view view;
	int r = 0;

	view_look(&view, loop, st, id);
	if (strcmp(view.status, "stopped") == 0)
		r = err_set(err, EINVAL, "cannot start a container that has stopped");
	else if (strcmp(view.status, "creating") == 0)
		r = err_set(err, EAGAIN, "cannot start a container that is being created");
	else if (strcmp(view.status, "paused") == 0)
		r = err_set(err, EINVAL, "cannot start a container in the paused state");
	else if (strcmp(view.status, "created") != 0)
		r = err_set(err, EINVAL, "cannot start an already running container");
	view_free(&view);
	return r;
}

static int start(struct sandbox_state *st, const char *id, struct err *err)
{
	int64_t limit = START_LIMIT_MS + hook_time(st, id, HOOK_POSTSTART);
	struct loop *loop = loop_new();
	struct task *task = NULL;
	pid_t pid;
	int r;

	if (!loop)
		return err_sys(err, errno, "cannot make an event loop");
	r = check_startable(loop, st, id, err);
	if (r == 0) {
		task = task_connect(loop, st->address ? st->address : "", id, err);
		r = task ? task_start(task, &pid, limit, err) : err->code;
	}
	task_free(task);
	loop_free(loop);
	return r;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct sandbox_state *st = NULL;
	int r = state_check_id(argv[0], err);

	(void)argc;
	if (r == 0)
		r = state_load_container(cli->root, argv[0], &st, err);
	if (r < 0)
		return r;
	r = start(st, argv[0], err);
	state_free(st);
	return r < 0 ? err_wrap(err, "container %s", argv[0]) : 0;
}

const struct command cmd_start = {
	.name = "start",
	.args = "ID",
	.help = "start the program of a container that was created",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
