/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/sandbox/core.h"

struct disk {
	struct list link; /* sb->disks */
	struct sandbox *sb;
	char *id; /* for the driver; never used again */
	char *path;
	int fd; /* as in struct disk_want */
	bool read_only;
	bool plugging; /* its place is not known yet */
	bool leaving;  /* nobody gets it any more */
	bool fixed;    /* there since the start, and until the end */
	unsigned holders;
	struct vm_place at;
	struct list waiters; /* struct attach: for its place */
	/* Who waits for it to leave. */
	sandbox_done gone;
	void *gone_arg;
};

/* The disks of one container on their way in. */
struct attach {
	struct list link; /* disk->waiters, or sb->attaches for the next step */
	struct sandbox *sb;
	char *cid;
	struct disk_plan *plan;
	struct loop_source *step;
	sandbox_done done;
	void *arg;
};

static void next(struct attach *a);

static struct disk *find(struct sandbox *sb, const char *path)
{
	struct list *it;

	list_for_each(it, &sb->disks) {
		struct disk *d = container_of(it, struct disk, link);

		if (!d->leaving && !strcmp(d->path, path))
			return d;
	}
	return NULL;
}

static struct disk *find_id(struct sandbox *sb, const char *id)
{
	struct list *it;

	list_for_each(it, &sb->disks) {
		struct disk *d = container_of(it, struct disk, link);

		if (!strcmp(d->id, id))
			return d;
	}
	return NULL;
}

static void disk_free(struct disk *d)
{
	list_del(&d->link);
	close_fd(&d->fd);
	free(d->id);
	free(d->path);
	free(d);
}

/* ---- in ---------------------------------------------------------------------------- */

static void finish(struct attach *a, const struct err *err)
{
	list_del(&a->link);
	call_done(a->sb, err, a->done, a->arg);
	free(a->cid);
	free(a);
}

/* The disk at hand is there, or is not; @a is in no list. */
static void got(struct attach *a, struct disk *d, const struct err *err)
{
	struct container *c = container_find(a->sb, a->cid);
	struct err gone = ERR_INIT;

	if (!err && !c)
		err_set(&gone, ECANCELED, "container %s is being removed", a->cid);
	if (err || !c) {
		finish(a, err ? err : &gone);
		return;
	}
	d->holders++;
	strv_add(&c->disks, d->id);
	a->plan->v[a->plan->next++].at = d->at;
	next(a);
}

static void on_plugged(const struct err *err, const struct vm_place *at, void *arg)
{
	struct disk *d = arg;
	struct list waiters;

	d->plugging = false;
	if (at)
		d->at = *at;
	list_init(&waiters);
	while (!list_empty(&d->waiters)) {
		struct list *l = d->waiters.next;

		list_del(l);
		list_add_tail(&waiters, l);
	}
	while (!list_empty(&waiters)) {
		struct attach *a = container_of(waiters.next, struct attach, link);

		list_del(&a->link);
		got(a, d, err);
	}
	if (err)
		disk_free(d);
}

static void plug(struct sandbox *sb, struct disk *d)
{
	struct vm_dev dev = {
		.type = VM_DEV_DISK,
		.id = d->id,
		.disk = { .path = d->path, .read_only = d->read_only },
	};

	vm_plug(sb->vm, &dev, on_plugged, d);
}

static struct disk *disk_new(struct sandbox *sb, const struct disk_want *w)
{
	struct disk *d = xcalloc(1, sizeof(*d));

	d->sb = sb;
	d->id = xasprintf("disk%u", sb->disk_count++);
	d->path = xstrdup(w->path);
	d->fd = w->fd < 0 ? -1 : fcntl(w->fd, F_DUPFD_CLOEXEC, 3);
	d->read_only = w->read_only;
	d->plugging = true;
	list_init(&d->waiters);
	list_add_tail(&sb->disks, &d->link);
	return d;
}

static void next(struct attach *a)
{
	const struct disk_want *w = &a->plan->v[a->plan->next];
	struct err err = ERR_INIT;
	struct disk *d;

	if (a->plan->next == a->plan->n || !a->sb->vm) {
		finish(a, a->plan->next == a->plan->n ? NULL : &a->sb->why);
		return;
	}
	d = find(a->sb, w->path);
	if (d && d->read_only != w->read_only) {
		err_set(&err, EBUSY, "disk %s: another container of the sandbox has it %s", w->path,
			d->read_only ? "read-only" : "writable");
		finish(a, &err);
	} else if (d && !d->plugging) {
		got(a, d, NULL);
	} else {
		bool fresh = !d;

		if (fresh)
			d = disk_new(a->sb, w);
		list_add_tail(&d->waiters, &a->link);
		if (fresh)
			plug(a->sb, d);
	}
}

void disks_attach(struct sandbox *sb, struct container *c, struct disk_plan *plan,
		  sandbox_done done, void *arg)
{
	struct attach *a = xcalloc(1, sizeof(*a));

	a->sb = sb;
	a->cid = xstrdup(c->id);
	a->plan = plan;
	a->done = done;
	a->arg = arg;
	list_init(&a->link);
	next(a);
}

/* ---- at the start ------------------------------------------------------------------ */

static void add_at_boot(struct sandbox *sb, const struct disk_want *w)
{
	struct vm_spec *spec = &sb->vm_spec;
	struct disk *d = find(sb, w->path);

	if (d)
		return;
	d = disk_new(sb, w);
	d->plugging = false;
	d->fixed = true;
	sb->boot_disks[spec->n_disks++] = (struct vm_dev){
		.type = VM_DEV_DISK,
		.id = d->id,
		.disk = { .path = d->path, .read_only = d->read_only },
	};
}

int disks_at_boot(struct sandbox *sb, const Grpc__Spec *spec, struct err *err)
{
	struct disk_plan plan = { .v = NULL };
	Grpc__Spec *copy;
	int r;

	if (sb->caps & (HV_CAP_BLOCK_HOTPLUG | HV_CAP_LOCAL) || !(sb->caps & HV_CAP_BLOCK))
		return 0;
	/* The plan takes from the specification what becomes a disk. */
	copy = plan_copy(spec);
	r = disk_plan(&sb->root_disk, &sb->boot_image, true, copy, &plan, err);
	sb->boot_disks = xcalloc(plan.n + 1, sizeof(*sb->boot_disks));
	for (size_t i = 0; r == 0 && i < plan.n; i++)
		add_at_boot(sb, &plan.v[i]);
	sb->vm_spec.disks = sb->boot_disks;
	disk_plan_free(&plan);
	grpc__spec__free_unpacked(copy, NULL);
	return r;
}

void disks_placed(struct sandbox *sb)
{
	for (size_t i = 0; i < sb->vm_spec.n_disks; i++)
		vm_disk_place(sb->vm, i, &find_id(sb, sb->boot_disks[i].id)->at);
}

/* ---- out --------------------------------------------------------------------------- */

struct detach {
	struct sandbox *sb;
	unsigned pending;
	sandbox_done done;
	void *arg;
};

static void one_less(const struct err *err, void *arg)
{
	struct detach *d = arg;

	(void)err;
	if (--d->pending > 0)
		return;
	call_done(d->sb, NULL, d->done, d->arg);
	free(d);
}

static void on_unplugged(const struct err *err, void *arg)
{
	struct disk *d = arg;
	sandbox_done gone = d->gone;
	void *gone_arg = d->gone_arg;

	if (err)
		log_warn("sandbox %s: %s (%s) stays plugged in: %s", d->sb->st->id, d->id, d->path,
			 err_msg(err));
	/* The driver knows of it still, and nobody else may have it; no container has. */
	if (err && d->sb->vm)
		d->gone = NULL;
	else
		disk_free(d);
	gone(NULL, gone_arg);
}

void disks_detach(struct sandbox *sb, struct container *c, sandbox_done done, void *arg)
{
	struct detach *out = xcalloc(1, sizeof(*out));

	*out = (struct detach){ .sb = sb, .pending = 1, .done = done, .arg = arg };
	for (size_t i = 0; i < c->disks.n; i++) {
		struct disk *d = find_id(sb, c->disks.v[i]);

		if (!d || --d->holders > 0 || d->fixed)
			continue;
		d->leaving = true;
		d->gone = one_less;
		d->gone_arg = out;
		out->pending++;
		vm_unplug(sb->vm, d->id, on_unplugged, d);
	}
	strv_free(&c->disks);
	one_less(NULL, out);
}

/* The driver has told all by now, unless it was given up. */
void disks_end(struct sandbox *sb)
{
	while (!list_empty(&sb->disks)) {
		struct disk *d = container_of(sb->disks.next, struct disk, link);

		if (d->plugging)
			on_plugged(&sb->why, NULL, d);
		else if (d->leaving && d->gone)
			on_unplugged(&sb->why, d);
		else
			disk_free(d);
	}
}
