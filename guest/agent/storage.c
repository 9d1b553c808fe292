/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/storage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "guest/agent/storage_mount.h"

struct storage {
	struct list link; /* agent->storages */
	char *mount_point;
	size_t holders;
};

struct storage_op {
	struct list link; /* agent->storage_ops */
	struct agent *agent;
	Grpc__Storage *const *list; /* hold; NULL: release */
	size_t n;
	struct strv *held;
	struct strv unmount; /* release: what nobody holds any more */
	bool *skip;	     /* hold: it is mounted already */
	job_cb done;
	void *arg;
};

static void run_first(struct agent *agent);

static struct storage *find(const struct agent *agent, const char *mount_point)
{
	struct list *it;

	list_for_each(it, &agent->storages) {
		struct storage *s = container_of(it, struct storage, link);

		if (!strcmp(s->mount_point, mount_point))
			return s;
	}
	return NULL;
}

static void take_hold(struct storage_op *op)
{
	for (size_t i = 0; i < op->n; i++) {
		struct storage *s = find(op->agent, op->list[i]->mount_point);

		if (!s) {
			s = xcalloc(1, sizeof(*s));
			s->mount_point = xstrdup(op->list[i]->mount_point);
			list_add_tail(&op->agent->storages, &s->link);
		}
		s->holders++;
		strv_add(op->held, s->mount_point);
	}
}

static void finish(const struct err *err, void *arg)
{
	struct storage_op *op = arg;
	struct agent *agent = op->agent;

	if (!err && op->list)
		take_hold(op);
	/* Still in the queue, so that what the callback adds is not started beside it. */
	op->done(err, op->arg);
	list_del(&op->link);
	strv_free(&op->unmount);
	free(op->skip);
	free(op);
	if (!list_empty(&agent->storage_ops))
		run_first(agent);
}

/* In the child: mount in order; what was mounted before a failure goes again. */
static int mount_all(void *arg, struct err *err)
{
	struct storage_op *op = arg;

	for (size_t i = 0; i < op->n; i++) {
		int r = op->skip[i] ? 0 : storage_mount(op->list[i], err);

		if (r == 0)
			continue;
		while (i-- > 0)
			if (!op->skip[i])
				(void)storage_unmount(op->list[i]->mount_point, NULL);
		return r;
	}
	return 0;
}

static int unmount_all(void *arg, struct err *err)
{
	struct storage_op *op = arg;
	int first = 0;

	for (size_t i = op->unmount.n; i-- > 0;) {
		int r = storage_unmount(op->unmount.v[i], first ? NULL : err);

		first = first ? first : r;
	}
	return first;
}

static void drop(struct storage_op *op)
{
	for (size_t i = 0; i < op->held->n; i++) {
		struct storage *s = find(op->agent, op->held->v[i]);

		if (!s || --s->holders > 0)
			continue;
		strv_add(&op->unmount, s->mount_point);
		list_del(&s->link);
		free(s->mount_point);
		free(s);
	}
	strv_free(op->held);
}

static bool nothing_to_do(const struct storage_op *op)
{
	if (!op->list)
		return op->unmount.n == 0;
	for (size_t i = 0; i < op->n; i++)
		if (!op->skip[i])
			return false;
	return true;
}

static void on_nothing(void *arg)
{
	finish(NULL, arg);
}

static void run_first(struct agent *agent)
{
	struct storage_op *op = container_of(agent->storage_ops.next, struct storage_op, link);

	if (op->list) {
		op->skip = xcalloc(op->n + 1, sizeof(*op->skip));
		for (size_t i = 0; i < op->n; i++)
			op->skip[i] = find(agent, op->list[i]->mount_point) != NULL;
	} else {
		drop(op);
	}
	if (nothing_to_do(op))
		loop_defer(agent->loop, on_nothing, op);
	else
		job_run(agent->loop, op->list ? mount_all : unmount_all, finish, op);
}

static void enqueue(struct storage_op *op)
{
	bool idle = list_empty(&op->agent->storage_ops);

	list_add_tail(&op->agent->storage_ops, &op->link);
	if (idle)
		run_first(op->agent);
}

bool storage_is_held(const struct agent *agent, const char *mount_point)
{
	return find(agent, mount_point) != NULL;
}

void storage_hold(struct agent *agent, Grpc__Storage *const *list, size_t n, struct strv *held,
		  job_cb done, void *arg)
{
	static Grpc__Storage *const none[1];
	struct storage_op *op = xcalloc(1, sizeof(*op));

	op->agent = agent;
	op->list = n > 0 ? list : none;
	op->n = n;
	op->held = held;
	op->done = done;
	op->arg = arg;
	enqueue(op);
}

void storage_release(struct agent *agent, struct strv *held, job_cb done, void *arg)
{
	struct storage_op *op = xcalloc(1, sizeof(*op));

	op->agent = agent;
	op->held = held;
	op->done = done;
	op->arg = arg;
	enqueue(op);
}
