/* SPDX-License-Identifier: Apache-2.0 */
/* Clearing up after a sandbox from its journal alone; see state.h. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/proc.h"
#include "cgroup/cgroup.h"
#include "host/network/netns.h"
#include "host/network/wire.h"
#include "host/sandbox/state.h"
#include "host/storage/unmount.h"

#define KILL_LIMIT_MS 2000
#define GRACE_MS      500
#define KILL_POLL_MS  5

/* Keep what failed first; what comes after it is mostly its consequence. */
static void keep_first(struct err *first, const struct err *err)
{
	if (first->code == 0)
		*first = *err;
}

static void rest(void)
{
	struct timespec ts = { .tv_nsec = KILL_POLL_MS * 1000000L };

	nanosleep(&ts, NULL);
}

static bool is_shim(const struct state_process *p)
{
	return !strcmp(p->name, "shim");
}

/* Wait until the shim, or all others, have ended; false when @deadline passes before. */
static bool wait_ended(const struct sandbox_state *st, bool shim, int64_t deadline)
{
	for (size_t i = 0; i < st->n_processes; i++) {
		const struct state_process *p = &st->processes[i];

		while (is_shim(p) == shim && proc_alive(p->pid, p->start)) {
			if (loop_now_ms() >= deadline)
				return false;
			rest();
		}
	}
	return true;
}

static void kill_processes(const struct sandbox_state *st, bool shim, struct err *first)
{
	for (size_t i = 0; i < st->n_processes; i++)
		if (is_shim(&st->processes[i]) == shim &&
		    proc_kill(st->processes[i].pid, st->processes[i].start, SIGKILL))
			cgroup_thaw_process(st->processes[i].pid);
	if (wait_ended(st, shim, loop_now_ms() + KILL_LIMIT_MS))
		return;
	for (size_t i = 0; i < st->n_processes; i++) {
		const struct state_process *p = &st->processes[i];
		struct err err = ERR_INIT;

		if (is_shim(p) != shim || !proc_alive(p->pid, p->start))
			continue;
		err_set(&err, EBUSY, "%s (process %d) does not end", p->name, (int)p->pid);
		keep_first(first, &err);
	}
}

static void clear_mounts(const struct sandbox_state *st, struct err *first)
{
	for (size_t i = st->mounts.n; i-- > 0;) {
		struct err err = ERR_INIT;

		if (unmount_at(st->mounts.v[i], &err) < 0)
			keep_first(first, &err);
	}
}

static void clear_dirs(const struct sandbox_state *st, struct err *first)
{
	for (size_t i = st->dirs.n; i-- > 0;) {
		struct err err = ERR_INIT;

		if (unmount_below(st->dirs.v[i], &err) < 0 || tree_remove(st->dirs.v[i], &err) < 0)
			keep_first(first, &err);
	}
}

/*
 * In the namespace that was the pod's, if it is still there: when it has gone, so has all
 * that was in it. Another may have its path by now. Devices go back to the host anyway.
 */
static void clear_network(const struct sandbox_state *st, struct err *first)
{
	auto_close int netns = st->netns ? netns_open(st->netns, NULL) : -1;
	auto_free char *found = NULL;
	struct netns_id id;
	bool there = netns >= 0 && netns_identify(netns, &id, NULL) == 0;

	if (there)
		found = xasprintf("%llu:%llu", (unsigned long long)id.dev,
				  (unsigned long long)id.ino);
	there = there && st->netns_id && !strcmp(found, st->netns_id);
	for (size_t i = st->network.n; i-- > 0;) {
		struct err err = ERR_INIT;

		if (!there && !net_entry_is_of_host(st->network.v[i]))
			continue;
		if (net_undo(netns, st->network.v[i], &err) < 0)
			keep_first(first, &err);
	}
}

static void clear_cgroups(const struct sandbox_state *st, struct err *first)
{
	int64_t deadline = loop_now_ms() + KILL_LIMIT_MS;

	for (size_t i = st->cgroups.n; i-- > 0;) {
		struct cgroup *cg = cgroup_open(st->cgroups.v[i]);
		struct err err = ERR_INIT;

		while (cgroup_populated(cg) && loop_now_ms() < deadline) {
			cgroup_signal(cg, SIGKILL);
			rest();
		}
		if (cgroup_remove(cg, &err) < 0)
			keep_first(first, &err);
		cgroup_free(cg);
	}
}

static int clear(const struct sandbox_state *st, struct err *err)
{
	auto_free char *dir = path_join(st->root, st->id);
	struct err first = ERR_INIT;

	/* All end with the shim; one that then clears up after itself may do so. */
	(void)wait_ended(st, false, loop_now_ms() + GRACE_MS);
	kill_processes(st, false, &first);
	clear_cgroups(st, &first);
	clear_network(st, &first);
	clear_mounts(st, &first);
	clear_dirs(st, &first);
	if (first.code == 0) {
		state_remove_members(st);
		(void)tree_remove(dir, &first);
	}
	if (first.code == 0)
		return 0;
	if (err)
		*err = first;
	return err_wrap(err, "container %s: cannot clear up", st->id);
}

int state_clear(struct sandbox_state *st, bool force, struct err *err)
{
	struct sandbox_state *now = NULL;
	struct err failure = ERR_INIT;
	int r;

	if (!state_shim_alive(st))
		return clear(st, err);
	if (!force)
		return err_set(err, EBUSY, "container %s is still running", st->id);
	kill_processes(st, true, &failure);
	if (failure.code < 0) {
		if (err)
			*err = failure;
		return err_wrap(err, "container %s", st->id);
	}
	/* The shim may have gone on writing its journal until now. */
	if (state_load(st->root, st->id, &now, NULL) < 0)
		return clear(st, err);
	r = clear(now, err);
	state_free(now);
	return r;
}
