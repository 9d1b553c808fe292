/* SPDX-License-Identifier: Apache-2.0 */
/* run: a container from its creation to its last trace, or, detached, to its start. */
#include <errno.h>

#include "base/cleanup.h"
#include "host/cli/cli.h"
#include "host/cli/hook_time.h"
#include "host/cli/launch.h"

#define DELETE_LIMIT_MS 30000
#define END_LIMIT_MS	15000 /* the shim's own limit for ending the sandbox is 10 s */
#define STANDIN_END_MS	2000

static struct launch_options launch_opt = { .bundle = "." };
static struct {
	bool detach, keep, no_subreaper;
} opt;

static const struct flag flags[] = {
	LAUNCH_FLAGS(launch_opt),
	{ "detach", "d", FLAG_BOOL, &opt.detach, NULL, "return when the container runs" },
	{ "keep", NULL, FLAG_BOOL, &opt.keep, NULL, "do not delete the container when it ends" },
	{ "no-subreaper", NULL, FLAG_BOOL, &opt.no_subreaper, NULL,
	  "accepted; nothing here is a subreaper" },
	{ 0 },
};

/* Start it and, unless detached, wait for its end. */
static int run_container(struct launch *l, int *status, struct err *err)
{
	int r = launch_start(l, err);

	if (r == 0)
		r = launch_keep(l, !opt.detach, err);
	if (r < 0 || opt.detach)
		return r;
	attach_to(&l->attach, l->task, l->spec->process->terminal);
	r = task_wait(l->task, status, 0, err);
	attach_end(&l->attach);
	return r;
}

/* The container has ended: let the shim end in order. */
static void finish(struct launch *l)
{
	struct err err = ERR_INIT;

	task_set_stop(l->task, NULL);
	/*
	 * Somebody else's `delete` may have come first. What else is wrong is news
	 * to the user: that the machine under the container has ended, and why.
	 */
	if (task_delete(l->task, DELETE_LIMIT_MS + hook_time_delete(l->spec), &err) < 0 &&
	    err.code != -ENOENT)
		cli_error(&err);
	if (launch_has_others(l)) {
		/* They go on without us. */
		if (launch_keep(l, false, &err) < 0)
			cli_error(&err);
		standin_close(&l->standin, STANDIN_END_MS);
		return;
	}
	/* That the machine ended by itself is told here: for the tasks it is a kill. */
	if (task_shutdown(l->task, END_LIMIT_MS, &err) < 0)
		cli_error(&err);
	launch_wait_shim(l, END_LIMIT_MS);
	standin_close(&l->standin, STANDIN_END_MS);
}

static int attend(struct launch *l, struct err *err)
{
	struct err late = ERR_INIT;
	int status = 0, r = launch_prepare(l, err);

	if (r < 0)
		return r; /* nothing was started */
	r = launch_create(l, err);
	if (r == 0)
		r = run_container(l, &status, err);
	if (r < 0) {
		status = launch_undo(l, r, err);
		cli_error(err);
		return status;
	}
	if (opt.detach)
		return 0;
	if (opt.keep && launch_keep(l, false, &late) == 0)
		return status;
	finish(l);
	if (launch_clear_rest(l, &late) < 0) {
		cli_error(&late);
		status = status ? status : 1;
	}
	return status;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct launch l = LAUNCH_INIT(cli, argv[0], &launch_opt, opt.detach);
	int r;

	(void)argc;
	r = attend(&l, err);
	launch_free(&l);
	return r;
}

const struct command cmd_run = {
	.name = "run",
	.args = "[options] ID",
	.help = "run a container in a virtual machine of its own and wait for its end",
	.more = "The exit status is the container's own; 127 or 126 when its command cannot be found\n"
		"or executed; 128 + signal when a signal ends the start; 1 when anything else fails.",
	.flags = flags,
	.wants_root = true,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
