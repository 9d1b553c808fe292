/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/cli/cli.h"
#include "host/cli/task_client.h"
#include "host/cli/view.h"

#define STEP_LIMIT_MS 10000

static struct {
	bool force;
} opt;

static const struct flag flags[] = {
	{ "force", "f", FLAG_BOOL, &opt.force, NULL,
	  "kill a running container; no error when there is none" },
	{ 0 },
};

static int check_deletable(struct loop *loop, struct sandbox_state *st, const char *id,
			   struct err *err)
{
	struct view view;
	int r = 0;

	view_look(&view, loop, st, id);
	if (strcmp(view.status, "stopped") != 0 && strcmp(view.status, "created") != 0)
		r = err_set(err, EBUSY,
			    "cannot delete container %s that is %s: stop it first, or use --force",
			    id, view.status);
	view_free(&view);
	return r;
}

/*
 * Ask the shim to end in order. Where that fails the hard way follows, so
 * failures are only for the log.
 */
static void ask_to_end(struct loop *loop, const struct sandbox_state *st, const char *id)
{
	struct err err = ERR_INIT;
	auto_task struct task *t = task_connect(loop, st->address ? st->address : "", id, &err);

	if (!t || (task_kill(t, SIGKILL, true, STEP_LIMIT_MS, &err) < 0 && task_lost(t)) ||
	    task_delete(t, STEP_LIMIT_MS, &err) < 0 || task_shutdown(t, STEP_LIMIT_MS, &err) < 0) {
		log_info("container %s: the shim does not end in order: %s", id, err_msg(&err));
		return;
	}
	for (int64_t end = loop_now_ms() + STEP_LIMIT_MS; !task_lost(t) && loop_now_ms() < end;)
		loop_step(loop, 100);
}

static int delete_container(const struct cli *cli, struct sandbox_state *st, const char *id,
			    struct err *err)
{
	struct sandbox_state *left = NULL;
	struct loop *loop;
	int r = 0;

	if (!state_shim_alive(st))
		return state_clear(st, opt.force, err);
	loop = loop_new();
	if (!loop)
		return err_sys(err, errno, "cannot make an event loop");
	if (!opt.force)
		r = check_deletable(loop, st, id, err);
	if (r == 0)
		ask_to_end(loop, st, id);
	loop_free(loop);
	if (r < 0)
		return r;
	/* What a shim that ended in order leaves is nothing. */
	r = state_load(cli->root, id, &left, err);
	if (r == 0)
		r = state_clear(left, true, err);
	state_free(left);
	if (r == -ENOENT) {
		err_clear(err);
		return 0;
	}
	return r;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct sandbox_state *st = NULL;
	int r = state_check_id(argv[0], err);

	(void)argc;
	if (r < 0)
		return r;
	r = state_load(cli->root, argv[0], &st, err);
	if (r == -ENOENT && opt.force) {
		err_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	r = delete_container(cli, st, argv[0], err);
	state_free(st);
	return r;
}

const struct command cmd_delete = {
	.name = "delete",
	.args = "[options] ID",
	.help = "delete a container that has stopped, and all that is left of it",
	.flags = flags,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
