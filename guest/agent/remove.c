/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a container: kill, wait, release. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "guest/agent/bundle.h"
#include "guest/agent/container.h"
#include "guest/agent/container_hooks.h"
#include "guest/agent/oom.h"
#include "guest/agent/storage.h"

/* How long to wait before looking again: from the first to at most the second, in ms. */
#define LOOK_FIRST 1
#define LOOK_MOST  50

static void container_free(struct container *c)
{
	while (!list_empty(&c->processes))
		process_free(container_of(c->processes.next, struct process, link));
	passfd_done(&c->streams);
	oom_unwatch(c);
	cgroup_free(c->cgroup);
	seccomp_done(&c->seccomp);
	if (c->hooks)
		grpc__spec__free_unpacked(c->hooks, NULL);
	strv_free(&c->storages);
	list_del(&c->link);
	free(c->id);
	free(c->cpus);
	free(c->exec_cpus);
	free(c->name);
	free(c->termination_log);
	free(c);
}

static void on_released(const struct err *err, void *arg)
{
	struct container *c = arg;
	void (*done)(void *arg, const struct err *err) = c->removed;
	void *done_arg = c->removed_arg;

	/* What stays mounted must not keep the container's name. */
	if (err)
		log_error("container %s: release storage: %s, ignoring", c->id, err_msg(err));
	if (c->hooks)
		bundle_remove(c->id);
	log_info("container %s removed", c->id);
	container_free(c);
	done(done_arg, NULL);
}

static bool alive(struct container *c)
{
	struct list *it;

	list_for_each(it, &c->processes)
		if (process_alive(container_of(it, struct process, link)))
			return true;
	return c->cgroup && cgroup_populated(c->cgroup);
}

static void kill_all(struct container *c)
{
	struct list *it;

	list_for_each(it, &c->processes)
		(void)process_signal(container_of(it, struct process, link), SIGKILL);
	if (c->cgroup)
		cgroup_signal(c->cgroup, SIGKILL);
}

static void give_up(struct container *c, struct err *err)
{
	void (*done)(void *arg, const struct err *e) = c->removed;

	err_wrap(err, "container %s cannot be removed", c->id);
	c->removing = false;
	done(c->removed_arg, err);
}

static void release(struct container *c)
{
	storage_release(c->agent, &c->storages, on_released, c);
}

static void look(void *arg)
{
	struct container *c = arg;
	struct err err = ERR_INIT;

	c->remove_timer = NULL;
	if (alive(c)) {
		kill_all(c);
		err_set(&err, ETIMEDOUT, "processes survive SIGKILL");
	} else if (!c->cgroup || cgroup_remove(c->cgroup, &err) == 0) {
		container_hooks_stopped(c, release);
		return;
	}
	if (loop_now_ms() >= c->remove_deadline) {
		give_up(c, &err);
		return;
	}
	c->remove_timer = loop_add_timer(c->agent->loop, c->remove_wait, look, c);
	c->remove_wait = c->remove_wait * 2 < LOOK_MOST ? c->remove_wait * 2 : LOOK_MOST;
}

void container_remove(struct container *c, int64_t limit_ms,
		      void (*done)(void *arg, const struct err *err), void *arg)
{
	c->usable = false;
	c->removing = true;
	c->removed = done;
	c->removed_arg = arg;
	c->remove_deadline = loop_now_ms() + limit_ms;
	c->remove_wait = LOOK_FIRST;
	oom_unwatch(c);
	/* A frozen process of version 1 does not even die. */
	if (c->paused && c->cgroup)
		(void)cgroup_freeze(c->cgroup, false, NULL);
	kill_all(c);
	c->remove_timer = loop_defer(c->agent->loop, look, c);
}
