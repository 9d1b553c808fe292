/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/shim/kill.h"
#include "host/shim/rootfs.h"
#include "host/shim/task_events.h"

#define LOOK_MS 2000

struct task *task_new(struct shim *s, const char *id, const char *bundle)
{
	struct task *t = xcalloc(1, sizeof(*t));

	t->shim = s;
	t->id = xstrdup(id);
	t->bundle = xstrdup(bundle);
	t->init = shim_process_new(s, id, NULL);
	list_init(&t->execs);
	list_init(&t->watchers);
	list_add_tail(&s->tasks, &t->link);
	shim_watch_idle(s);
	return t;
}

struct task *task_find(const struct shim *s, const char *id)
{
	struct list *it;

	list_for_each(it, &s->tasks) {
		struct task *t = container_of(it, struct task, link);

		if (!strcmp(t->id, id))
			return t;
	}
	return NULL;
}

struct process *task_process(const struct task *t, const char *exec_id)
{
	struct list *it;

	if (!*exec_id)
		return t->init;
	list_for_each(it, &t->execs) {
		struct process *p = container_of(it, struct process, link);

		if (!strcmp(p->exec_id, exec_id))
			return p;
	}
	return NULL;
}

void task_remove(struct task *t)
{
	struct shim *s = t->shim;

	while (!list_empty(&t->execs))
		shim_process_remove(container_of(t->execs.next, struct process, link));
	task_event_end(t);
	loop_remove(&t->look);
	shim_process_remove(t->init);
	if (t->mounted)
		rootfs_unmount(t->mounted);
	list_del(&t->link);
	free(t->id);
	free(t->bundle);
	free(t->mounted);
	free(t);
	shim_watch_idle(s);
}

static void on_look(void *arg)
{
	struct task *t = arg;

	t->look = NULL;
	if (access(t->bundle, F_OK) < 0 && errno == ENOENT) {
		log_info("container %s has stopped, and its bundle has gone: it is deleted", t->id);
		kill_forgotten(t->init);
	} else {
		task_stopped(t);
	}
}

void task_stopped(struct task *t)
{
	if (t->init->standin && !t->look)
		t->look = loop_add_timer(t->shim->loop, LOOK_MS, on_look, t);
}

/* The sandbox ends the waits for those that run. */
static void end_process(struct process *p)
{
	if (p->state == PROCESS_CREATED)
		shim_process_exited(p, STATUS_KILLED);
}

void task_machine_died(struct task *t)
{
	struct list *it;

	list_for_each(it, &t->execs)
		end_process(container_of(it, struct process, link));
	end_process(t->init);
}
