/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/stratovirt/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"

struct work {
	struct list link;
	struct slots *slots;
	unsigned slot;
	bool is_rest, rests;
	/* What is sent first, when its turn has come. */
	const char *command;
	struct json_object *arguments;
	qmp_done answered;
	struct loop_source *late; /* an answer that was known at once, on its way */
	struct err err;
	vm_plug_done plug; /* one of them */
	vm_done done;
	void *arg;
};

static void work_free(struct work *w)
{
	if (w->slots->active == w)
		w->slots->active = NULL;
	list_del(&w->link);
	loop_remove(&w->late);
	json_object_put(w->arguments);
	free(w);
}

static void on_late(void *arg);

/*
 * Begin what waits longest. One command at a time: StratoVirt takes what one read brings for
 * one command.
 */
static void next(struct slots *s)
{
	struct list *it;

	list_for_each(it, &s->work) {
		struct work *w = container_of(it, struct work, link);

		if (s->active || w->late || !w->command)
			continue;
		s->active = w;
		if (w->is_rest && s->rests == w->rests) {
			w->late = loop_defer(s->loop, on_late, w);
		} else if (*s->qmp) {
			qmp_command(*s->qmp, w->command, w->arguments, w->answered, w);
			w->arguments = NULL;
		}
		return;
	}
}

/* Tell and release. */
static void finish(struct work *w, const struct err *err)
{
	struct work told = *w;
	struct vm_place place;

	work_free(w);
	next(told.slots);
	stratovirt_place(told.slot, &place);
	if (told.plug)
		told.plug(err, err ? NULL : &place, told.arg);
	else
		told.done(err, told.arg);
}

static void on_late(void *arg)
{
	struct work *w = arg;
	struct err err = w->err;

	w->late = NULL;
	finish(w, err.code ? &err : NULL);
}

static void set_free(struct slots *s, unsigned slot)
{
	free(take_ptr(s->id[slot]));
	s->settled[slot] = false;
}

static struct work *work_new(struct slots *s, void *arg)
{
	struct work *w = xcalloc(1, sizeof(*w));

	w->slots = s;
	w->arg = arg;
	list_add_tail(&s->work, &w->link);
	return w;
}

static void begin(struct work *w, const char *command, struct json_object *arguments,
		  qmp_done answered)
{
	w->command = command;
	w->arguments = arguments;
	w->answered = answered;
	next(w->slots);
}

/* The answer, w->err, comes from the loop. */
static void answer(struct work *w)
{
	w->late = loop_defer(w->slots->loop, on_late, w);
}

static struct json_object *named(const char *id)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "id", json_object_new_string(id));
	return o;
}

void slots_init(struct slots *s, const struct vm_spec *spec, struct loop *loop, struct qmp **qmp)
{
	*s = (struct slots){ .spec = spec, .loop = loop, .qmp = qmp };
	list_init(&s->work);
	for (unsigned i = 0; i < stratovirt_slot(spec, 0) && i < STRATOVIRT_DISKS; i++)
		s->id[i] = xstrdup("rootfs");
	for (size_t i = 0; i < spec->n_disks && stratovirt_slot(spec, i) < STRATOVIRT_DISKS; i++) {
		s->id[stratovirt_slot(spec, i)] = xstrdup(spec->disks[i].id);
		s->settled[stratovirt_slot(spec, i)] = true;
	}
}

/* ---- in ------------------------------------------------------------------------- */

static void on_undone(const struct err *err, struct json_object *ret, void *arg)
{
	struct work *w = arg;
	struct err why = w->err;

	(void)ret;
	if (err) /* the place is lost with what is half in it */
		log_warn("stratovirt: %s: %s", w->slots->id[w->slot], err_msg(err));
	else
		set_free(w->slots, w->slot);
	finish(w, &why);
}

static void on_device(const struct err *err, struct json_object *ret, void *arg)
{
	struct work *w = arg;
	struct slots *s = w->slots;

	(void)ret;
	if (!err) {
		s->settled[w->slot] = true;
		finish(w, NULL);
		return;
	}
	w->err = *err;
	/* This takes the node back as well. */
	qmp_command(*s->qmp, "device_del", named(s->id[w->slot]), on_undone, w);
}

static void on_node(const struct err *err, struct json_object *ret, void *arg)
{
	struct work *w = arg;
	struct slots *s = w->slots;

	(void)ret;
	if (err) {
		set_free(s, w->slot);
		finish(w, err);
		return;
	}
	qmp_command(*s->qmp, "device_add", stratovirt_device(s->id[w->slot], w->slot), on_device,
		    w);
}

static int find(const struct slots *s, const char *id)
{
	for (int i = 0; i < STRATOVIRT_DISKS; i++)
		if (id ? s->id[i] && !strcmp(s->id[i], id) : !s->id[i])
			return i;
	return -1;
}

static int look(const struct slots *s, const struct vm_dev *dev, struct stat *st, struct err *err)
{
	if (!*s->qmp)
		return err_set(err, EPIPE, "the machine does not run");
	if (find(s, dev->id) >= 0)
		return err_set(err, EEXIST, "disk %s is in the machine already", dev->id);
	if (find(s, NULL) < 0)
		return err_set(err, ENOSPC, "all %d places for disks are taken", STRATOVIRT_DISKS);
	return stat(dev->disk.path, st) < 0 ? err_sys(err, errno, "%s", dev->disk.path) : 0;
}

void slots_plug(struct slots *s, const struct vm_dev *dev, vm_plug_done done, void *arg)
{
	struct work *w = work_new(s, arg);
	struct stat st;

	w->plug = done;
	if (look(s, dev, &st, &w->err) < 0) {
		answer(w);
		return;
	}
	w->slot = (unsigned)find(s, NULL);
	s->id[w->slot] = xstrdup(dev->id);
	begin(w, "blockdev-add",
	      stratovirt_node(&s->spec->config->hypervisor, dev, S_ISBLK(st.st_mode)), on_node);
}

/* ---- out ------------------------------------------------------------------------ */

static void on_deleted(const struct err *err, struct json_object *ret, void *arg)
{
	struct work *w = arg;

	(void)ret;
	if (err)
		w->slots->settled[w->slot] = true;
	else
		set_free(w->slots, w->slot);
	finish(w, err);
}

void slots_unplug(struct slots *s, const char *id, vm_done done, void *arg)
{
	struct work *w = work_new(s, arg);
	int slot = find(s, id);

	w->done = done;
	if (!*s->qmp)
		err_set(&w->err, EPIPE, "the machine does not run");
	else if (slot < 0)
		err_set(&w->err, ENOENT, "disk %s is not in the machine", id);
	else if (!s->settled[slot])
		err_set(&w->err, EBUSY, "disk %s is being changed", id);
	if (w->err.code) {
		answer(w);
		return;
	}
	w->slot = (unsigned)slot;
	s->settled[slot] = false;
	begin(w, "device_del", named(id), on_deleted);
}

/* ---- rest ---------------------------------------------------------------------- */

static void on_rest(const struct err *err, struct json_object *ret, void *arg)
{
	struct work *w = arg;

	(void)ret;
	if (!err)
		w->slots->rests = w->rests;
	finish(w, err);
}

void slots_rest(struct slots *s, bool rests, vm_done done, void *arg)
{
	struct work *w = work_new(s, arg);

	w->done = done;
	w->rests = rests;
	w->is_rest = true;
	if (!*s->qmp) {
		err_set(&w->err, EPIPE, "the machine does not run");
		answer(w);
		return;
	}
	begin(w, rests ? "stop" : "cont", NULL, on_rest);
}

/* ---- the end ---------------------------------------------------------------------- */

void slots_fail(struct slots *s, const struct err *why)
{
	struct err err = *why;

	if (err.code == 0)
		err_set(&err, EPIPE, "the machine does not run");
	while (!list_empty(&s->work))
		finish(container_of(s->work.next, struct work, link), &err);
}

void slots_free(struct slots *s)
{
	while (!list_empty(&s->work))
		work_free(container_of(s->work.next, struct work, link));
	for (unsigned i = 0; i < STRATOVIRT_DISKS; i++)
		set_free(s, i);
}
