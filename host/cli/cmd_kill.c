/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/cleanup.h"
#include "host/cli/cli.h"
#include "host/cli/signal_name.h"
#include "host/cli/task_client.h"
#include "host/cli/view.h"
#include "host/sandbox/state.h"

#define KILL_LIMIT_MS 10000

static struct {
	bool all;
} opt;

static const struct flag flags[] = {
	{ "all", "a", FLAG_BOOL, &opt.all, NULL, "signal all processes of the container" },
	{ 0 },
};

/*
 * "container not running" is what engines look for when a container has ended.
 *
 * Signal 0 reaches nobody: it fails where another one would.
 */
static int ask_for_process(struct loop *loop, struct sandbox_state *st, const char *id,
			   struct err *err)
{
	struct view view;
	int r = 0;

	view_look(&view, loop, st, id);
	if (view.pid == 0 && !opt.all)
		r = err_set(err, ESRCH, "container not running");
	view_free(&view);
	return r;
}

static int send_signal(struct sandbox_state *st, const char *id, int signo, struct err *err)
{
	struct task *task = NULL;
	struct loop *loop;
	int r;

	if (!state_shim_alive(st))
		return opt.all ? 0 : err_set(err, ESRCH, "container not running");
	loop = loop_new();
	if (!loop)
		return err_sys(err, errno, "cannot make an event loop");
	if (signo == 0) {
		r = ask_for_process(loop, st, id, err);
	} else {
		task = task_connect(loop, st->address ? st->address : "", id, err);
		r = task ? task_kill(task, signo, opt.all, KILL_LIMIT_MS, err) : err->code;
		/* It has ended, or its machine, or all of it, meanwhile: so have all in it. */
		if (r == -ENOENT || r == -ECONNRESET || r == -ECONNREFUSED)
			r = opt.all ? 0 : err_set(err, ESRCH, "container not running");
	}
	task_free(task);
	loop_free(loop);
	return r;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	int signo = signal_parse(argc > 1 ? argv[1] : "TERM", err), r;
	struct sandbox_state *st = NULL;

	if (signo < 0)
		return signo;
	r = state_check_id(argv[0], err);
	if (r == 0)
		r = state_load_container(cli->root, argv[0], &st, err);
	if (r < 0)
		return r;
	r = send_signal(st, argv[0], signo, err);
	state_free(st);
	return r < 0 ? err_wrap(err, "cannot kill container %s", argv[0]) : 0;
}

const struct command cmd_kill = {
	.name = "kill",
	.args = "[options] ID [SIGNAL]",
	.help = "send a signal to the container's first process (default: TERM)",
	.flags = flags,
	.min_args = 1,
	.max_args = 2,
	.run = run,
};
