/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/storage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "guest/agent/output.h"
#include "guest/agent/storage_layers.h"
#include "guest/agent/storage_mount.h"
#include "guest/agent/storage_op.h"
#include "guest/agent/watch.h"

/* One mount, or what is as good as one. */
struct storage {
	struct list link; /* agent->storages */
	char *mount_point;
	size_t holders;
	bool shared;	     /* stays until the sandbox ends */
	bool watched;	     /* a copy in a directory of its own */
	struct strv below;   /* mounts that go after it */
	struct strv scratch; /* directories that go after those */
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

static struct storage *make_storage(struct storage_op *op, const struct unit *u)
{
	struct storage *s = xcalloc(1, sizeof(*s));
	char *scratch = u->s ? overlay_scratch(u->s, op->cid) : NULL;

	s->mount_point = xstrdup(unit_place(u));
	s->shared = u->s ? u->s->shared : u->layers.shared;
	if (u->layers.target) {
		layers_mounts(&u->layers, &s->below);
		scratch = xstrdup(u->layers.base);
	}
	if (scratch)
		strv_take(&s->scratch, scratch);
	if (u->s && !strcmp(u->s->driver, "watchable-bind")) {
		s->watched = true;
		watch_add(op->agent, u->s->source, s->mount_point);
	}
	list_add_tail(&op->agent->storages, &s->link);
	return s;
}

static void free_storage(struct storage *s)
{
	list_del(&s->link);
	free(s->mount_point);
	strv_free(&s->below);
	strv_free(&s->scratch);
	free(s);
}

static void take_hold(struct storage_op *op)
{
	for (size_t i = 0; i < op->n_units; i++) {
		struct storage *s = find(op->agent, unit_place(&op->units[i]));

		if (!s)
			s = make_storage(op, &op->units[i]);
		s->holders++;
		strv_add(op->held, s->mount_point);
	}
}

static void free_op(struct storage_op *op)
{
	for (size_t i = 0; i < op->n_units; i++) {
		layers_done(&op->units[i].layers);
		if (op->units[i].own)
			protobuf_c_message_free_unpacked(&op->units[i].own->base, NULL);
	}
	list_del(&op->link);
	strv_free(&op->unmount);
	strv_free(&op->watched);
	strv_free(&op->scratch);
	output_free(op->progress);
	free(op->units);
	free(op->cid);
	free(op);
}

static void finish(struct storage_op *op, const struct err *err)
{
	struct agent *agent = op->agent;

	if (!err && op->list)
		take_hold(op);
	/* Still in the queue, so that what the callback adds is not started beside it. */
	op->done(err, op->arg);
	free_op(op);
	if (!list_empty(&agent->storage_ops))
		run_first(agent);
}

static void on_undone(const struct err *err, void *arg)
{
	struct storage_op *op = arg;

	if (err)
		log_error("undo what was mounted: %s, ignoring", err_msg(err));
	finish(op, &op->err);
}

static void on_mounted(const struct err *err, void *arg)
{
	struct storage_op *op = arg;

	if (!err || !storage_op_is_half_done(op)) {
		finish(op, err);
		return;
	}
	op->err = *err;
	job_run(op->agent->loop, storage_op_undo, on_undone, op);
}

static void on_released(const struct err *err, void *arg)
{
	struct storage_op *op = arg;

	if (err && op->err.code == 0)
		op->err = *err;
	if (storage_op_has_rest(op))
		job_run(op->agent->loop, storage_op_release, on_released, op);
	else
		finish(op, op->err.code ? &op->err : NULL);
}

static void give_up(struct storage_op *op, struct storage *s)
{
	if (s->watched) {
		watch_remove(s->mount_point);
		strv_add(&op->watched, s->mount_point);
		free_storage(s);
		return;
	}
	/* They are unmounted from the last to the first. */
	for (size_t i = 0; i < s->below.n; i++)
		strv_add(&op->unmount, s->below.v[i]);
	for (size_t i = 0; i < s->scratch.n; i++)
		strv_add(&op->scratch, s->scratch.v[i]);
	strv_add(&op->unmount, s->mount_point);
	free_storage(s);
}

static void drop(struct storage_op *op)
{
	struct list *it, *tmp;

	for (size_t i = 0; i < op->held->n; i++) {
		struct storage *s = find(op->agent, op->held->v[i]);

		if (s && --s->holders == 0 && !s->shared)
			give_up(op, s);
	}
	strv_free(op->held);
	if (!op->agent->ending)
		return;
	list_for_each_safe(it, tmp, &op->agent->storages) {
		struct storage *s = container_of(it, struct storage, link);

		if (s->holders == 0)
			give_up(op, s);
	}
}

static struct unit *add_unit(struct storage_op *op)
{
	op->units = xrealloc(op->units, (op->n_units + 1) * sizeof(*op->units));
	op->units[op->n_units] = (struct unit){ .s = NULL };
	return &op->units[op->n_units++];
}

/* The tmpfs that a watched copy lies in: the directory above it. */
static int plan_watch(struct storage_op *op, const Grpc__Storage *s, struct err *err)
{
	const char *slash = strrchr(s->mount_point, '/');
	Grpc__Storage *own;

	if (s->mount_point[0] != '/' || slash == s->mount_point || !slash[1] ||
	    strstr(s->mount_point, "/.."))
		return err_set(err, EINVAL, "storage \"%s\": no place for a copy", s->mount_point);
	own = xcalloc(1, sizeof(*own));
	grpc__storage__init(own);
	own->mount_point = xstrndup(s->mount_point, (size_t)(slash - s->mount_point));
	if (!str_ends(own->mount_point, "/watchable")) {
		protobuf_c_message_free_unpacked(&own->base, NULL);
		return err_set(err, EINVAL, "storage %s: copies lie in a directory watchable",
			       s->mount_point);
	}
	own->driver = xstrdup("ephemeral");
	own->fstype = xstrdup("tmpfs");
	own->source = xstrdup("tmpfs");
	own->options = xcalloc(1, sizeof(*own->options));
	own->options[own->n_options++] = xstrdup("mode=0755");
	add_unit(op);
	op->units[op->n_units - 1].own = own;
	op->units[op->n_units - 1].s = own;
	return 0;
}

static int plan(struct storage_op *op, struct err *err)
{
	bool layered = false;

	for (size_t i = 0; i < op->n; i++) {
		const Grpc__Storage *s = op->list[i];
		int r = 0;

		if (layers_member(s)) {
			if (!layered)
				r = layers_plan(op->list, op->n, op->cid ? op->cid : "sandbox",
						&add_unit(op)->layers, err);
			layered = true;
		} else {
			if (!strcmp(s->driver, "watchable-bind"))
				r = plan_watch(op, s, err);
			if (r == 0)
				add_unit(op)->s = s;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* Also what comes twice in one request. */
static void skip_mounted(struct storage_op *op)
{
	for (size_t i = 0; i < op->n_units; i++) {
		struct unit *u = &op->units[i];

		u->skip = find(op->agent, unit_place(u)) != NULL;
		for (size_t k = 0; k < i; k++)
			u->skip |= !strcmp(unit_place(&op->units[k]), unit_place(u));
	}
}

static bool nothing_to_do(const struct storage_op *op)
{
	if (!op->list)
		return op->unmount.n + op->watched.n == 0;
	for (size_t i = 0; i < op->n_units; i++)
		if (!op->units[i].skip)
			return false;
	return true;
}

static void on_nothing(void *arg)
{
	struct storage_op *op = arg;

	finish(op, op->err.code ? &op->err : NULL);
}

static void run_first(struct agent *agent)
{
	struct storage_op *op = container_of(agent->storage_ops.next, struct storage_op, link);

	if (!op->list)
		drop(op);
	else if (plan(op, &op->err) == 0)
		skip_mounted(op);
	if (op->err.code || nothing_to_do(op) || storage_op_prepare(op, &op->err) < 0)
		loop_defer(agent->loop, on_nothing, op);
	else if (op->list)
		job_run(agent->loop, storage_op_mount, on_mounted, op);
	else
		job_run(agent->loop, storage_op_release, on_released, op);
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

void storage_hold(struct agent *agent, const char *cid, Grpc__Storage *const *list, size_t n,
		  struct strv *held, job_cb done, void *arg)
{
	static Grpc__Storage *const none[1];
	struct storage_op *op = xcalloc(1, sizeof(*op));

	op->agent = agent;
	op->cid = xstrdup(cid);
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
