/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/cli/cli.h"
#include "host/cli/hook_time.h"
#include "host/cli/matching.h"
#include "host/cli/task_client.h"
#include "host/cli/view.h"
#include "host/sandbox/poststop.h"

#define STEP_LIMIT_MS 10000

static struct {
	bool force, regex;
} opt;

static const struct flag flags[] = {
	{ "force", "f", FLAG_BOOL, &opt.force, NULL,
	  "kill a running container; no error when there is none" },
	{ "regex", "r", FLAG_BOOL, &opt.regex, NULL,
	  "all containers whose ID matches this POSIX extended regular expression" },
	{ 0 },
};

/* The words are those that engines know from other runtimes. */
static int check_deletable(struct loop *loop, struct sandbox_state *st, const char *id,
			   struct err *err)
{
	struct view view;
	int r = 0;

	view_look(&view, loop, st, id);
	if (strcmp(view.status, "stopped") != 0 && strcmp(view.status, "created") != 0)
		r = err_set(err, EBUSY, "cannot delete container %s that is not stopped: %s", id,
			    view.status);
	view_free(&view);
	return r;
}

/* Kill it, if that is still to be done, and wait for its end: those who wait for it hear first. */
static int end_task(struct task *t, struct err *err)
{
	int status, r = task_kill(t, SIGKILL, true, STEP_LIMIT_MS, err);

	if (r == 0)
		r = task_wait(t, &status, STEP_LIMIT_MS, err);
	if (r < 0 && !task_lost(t))
		err_clear(err); /* it has ended before, or will not: Delete tells */
	return task_lost(t) ? r : 0;
}

/* Somebody else deletes it, a `run` that waited for it: until it is not known any more. */
static int await_deleted(struct loop *loop, struct task *t)
{
	int64_t end = loop_now_ms() + STEP_LIMIT_MS;
	struct err err = ERR_INIT;
	const char *status;
	pid_t pid;

	while (task_state(t, &status, &pid, STEP_LIMIT_MS, &err) == 0 && loop_now_ms() < end)
		loop_step(loop, 20);
	return task_lost(t) ? -ECONNRESET : 0;
}

/*
 * Ask the shim to delete it in order, and to end when it was the last. Where that fails
 * the hard way follows, so failures are only for the log.
 */
static void ask_to_end(struct loop *loop, struct sandbox_state *st, const char *id)
{
	int64_t limit = STEP_LIMIT_MS + hook_time(st, id, HOOK_POSTSTOP);
	struct err err = ERR_INIT;
	auto_task struct task *t = task_connect(loop, st->address ? st->address : "", id, &err);
	int r = t ? end_task(t, &err) : err.code;

	if (r == 0)
		r = task_delete(t, limit, &err);
	if (r == -ENOENT && !task_lost(t))
		r = await_deleted(loop, t);
	if (r == 0)
		r = task_shutdown(t, STEP_LIMIT_MS, &err);
	if (r < 0)
		log_info("container %s: the shim does not end in order: %s", id, err_msg(&err));
}

/* Its shim is gone, or to be killed: what that would have run is run here. */
static int clear(struct sandbox_state *st, const char *id, bool all, struct err *err)
{
	struct poststop *hooks = poststop_of(st, id);
	int r = all ? state_clear(st, true, err) : state_clear_container(st, id, err);

	if (r == 0)
		poststop_run(hooks);
	else
		poststop_free(hooks); /* `delete` comes again */
	return r;
}

/* What a shim that ended in order leaves is nothing, but it may have others to care for. */
static int clear_rest(struct sandbox_state *left, const char *id, struct err *err)
{
	bool has = state_find_container(left, id);

	if (!state_shim_alive(left))
		return clear(left, id, false, err);
	if (left->n_containers <= has)
		return clear(left, id, true, err);
	if (!has)
		return 0;
	return err_set(err, EBUSY,
		       "container %s cannot be deleted without the others of its sandbox %s; the "
		       "log says why",
		       id, left->id);
}

static int delete_container(const struct cli *cli, struct sandbox_state *st, const char *id,
			    struct err *err)
{
	struct sandbox_state *left = NULL;
	struct loop *loop;
	int r = 0;

	if (!state_shim_alive(st))
		return clear(st, id, false, err);
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
	r = state_load(cli->root, id, &left, err);
	if (r == 0)
		r = clear_rest(left, id, err);
	state_free(left);
	if (r == -ENOENT) {
		err_clear(err);
		return 0;
	}
	return r;
}

/* @err says why it cannot be read. What its journal had elsewhere is not known any more. */
static int delete_unreadable(const struct cli *cli, const char *id, struct err *err)
{
	struct sandbox_state *st = NULL;
	int r;

	log_warn("%s; what is found of container %s by its name is removed", err_msg(err), id);
	err_clear(err);
	r = state_salvage(cli->root, id, &st, err);
	if (r == 0)
		r = clear(st, id, true, err);
	state_free(st);
	return r;
}

static int delete_named(const struct cli *cli, const char *id, struct err *err)
{
	struct sandbox_state *st = NULL;
	int r = state_check_id(id, err);

	if (r < 0)
		return r;
	r = state_load_container(cli->root, id, &st, err);
	if (r == -ENOENT && opt.force) {
		err_clear(err);
		/* Of a member whose sandbox was cleared without it, this is left. */
		if (state_drop_dangling(cli->root, id))
			return 0;
		r = state_drop_abandoned(cli->root, id, -1, err);
		return r < 0 ? r : 0;
	}
	if ((r == -EINVAL || r == -EISDIR || r == -EFBIG) && opt.force)
		return delete_unreadable(cli, id, err);
	if (r < 0)
		return r;
	r = delete_container(cli, st, id, err);
	state_free(st);
	return r;
}

static bool is_gone(const struct cli *cli, const char *id)
{
	struct sandbox_state *st = NULL;
	bool gone = state_load_container(cli->root, id, &st, NULL) == -ENOENT;

	state_free(st);
	return gone;
}

/* All go that can; the status is that of the first which cannot. */
static int delete_matching(const struct cli *cli, const char *pattern, struct err *err)
{
	auto_strv struct strv ids = { 0 };
	int r = matching_ids(cli->root, pattern, &ids, err), result;

	result = r;
	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		struct err one = ERR_INIT;
		int failed = delete_named(cli, ids.v[i], &one);

		if (failed == 0 || is_gone(cli, ids.v[i])) /* somebody else did it */
			continue;
		if (result == 0)
			result = err_set(err, -failed, "%s", err_msg(&one));
		else
			cli_warn("%s", err_msg(&one));
	}
	return result;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	(void)argc;
	if (opt.regex)
		return delete_matching(cli, argv[0], err);
	return delete_named(cli, argv[0], err);
}

const struct command cmd_delete = {
	.name = "delete",
	.args = "[options] ID",
	.help = "delete a container that has stopped, and all that is left of it",
	.more = "With --regex, ID is a pattern that is found anywhere in an ID unless ^ and $ hold it:\n"
		"all that match are deleted; one that cannot be does not keep the others.",
	.flags = flags,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
