/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job may be killed, by its time limit or by anybody. What it did until then
 * it writes down in memory that the agent has too, so that another can undo it.
 */
#include "guest/agent/storage_op.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "guest/agent/output.h"
#include "guest/agent/storage_mount.h"

enum { UNTOUCHED, BEGUN, MOUNTED };

/* Of each unit, for storage_op_mount(). */
struct progress {
	uint64_t before; /* the mount that was at its mount point; 0: there was no such place */
	int state;
};

/* For storage_op_release(): how many steps are begun. */
struct released {
	size_t begun;
};

const char *unit_place(const struct unit *u)
{
	return u->layers.target ? u->layers.target : u->s->mount_point;
}

static struct progress *progress(const struct storage_op *op)
{
	return (struct progress *)(void *)op->progress->data;
}

static struct released *released(const struct storage_op *op)
{
	return (struct released *)(void *)op->progress->data;
}

int storage_op_prepare(struct storage_op *op, struct err *err)
{
	size_t size = op->list ? op->n_units * sizeof(struct progress) : sizeof(struct released);

	op->progress = output_new(size, err);
	return op->progress ? 0 : err->code;
}

static uint64_t mount_at(const char *path)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) < 0)
		return 0;
	return st.stx_mnt_id;
}

static void remove_scratch(const char *path)
{
	auto_free char *above = xstrdup(path);

	(void)tree_remove(path, NULL);
	*strrchr(above, '/') = '\0';
	(void)rmdir(above); /* unless something else is in there */
}

static void undo_scratch(const struct storage_op *op, const struct unit *u)
{
	auto_free char *scratch = u->s ? overlay_scratch(u->s, op->cid) : NULL;

	if (scratch || u->layers.base)
		remove_scratch(scratch ? scratch : u->layers.base);
}

/* One that is only begun may not be mounted, and what is at its mount point may be another's. */
static void undo_unit(const struct storage_op *op, size_t i)
{
	const struct unit *u = &op->units[i];
	struct progress *p = &progress(op)[i];
	auto_strv struct strv mounts = { NULL, 0 };

	layers_mounts(&u->layers, &mounts);
	if (p->state == MOUNTED || mount_at(unit_place(u)) != p->before)
		(void)storage_unmount(unit_place(u), NULL);
	while (mounts.n > 0) {
		(void)storage_unmount(mounts.v[mounts.n - 1], NULL);
		free(mounts.v[--mounts.n]);
	}
	undo_scratch(op, u);
	p->state = UNTOUCHED;
}

int storage_op_undo(void *arg, struct err *err)
{
	const struct storage_op *op = arg;

	(void)err;
	for (size_t i = op->n_units; i-- > 0;)
		if (progress(op)[i].state != UNTOUCHED)
			undo_unit(op, i);
	return 0;
}

int storage_op_mount(void *arg, struct err *err)
{
	struct storage_op *op = arg;

	for (size_t i = 0; i < op->n_units; i++) {
		const struct unit *u = &op->units[i];
		struct progress *p = &progress(op)[i];
		int r;

		if (u->skip)
			continue;
		p->before = mount_at(unit_place(u));
		p->state = BEGUN;
		r = u->layers.target ? layers_mount(&u->layers, err) :
				       storage_mount(u->s, op->cid, err);
		p->state = r < 0 ? UNTOUCHED : MOUNTED;
		if (r < 0) {
			undo_scratch(op, u); /* the directory above it, at least */
			storage_op_undo(op, NULL);
			return r;
		}
	}
	return 0;
}

bool storage_op_is_half_done(const struct storage_op *op)
{
	for (size_t i = 0; i < op->n_units; i++)
		if (progress(op)[i].state != UNTOUCHED)
			return true;
	return false;
}

/* ---- release ------------------------------------------------------------------ */

static size_t steps(const struct storage_op *op)
{
	return op->watched.n + op->unmount.n + op->scratch.n;
}

/* Copies first: they lie in a tmpfs that goes with the mounts, which go from the last to the
 * first. */
static int step(const struct storage_op *op, size_t i, struct err *err)
{
	if (i < op->watched.n) {
		if (storage_unmount(op->watched.v[i], NULL) == 0)
			(void)tree_remove(op->watched.v[i], NULL);
		return 0;
	}
	i -= op->watched.n;
	if (i < op->unmount.n)
		return storage_unmount(op->unmount.v[op->unmount.n - 1 - i], err);
	remove_scratch(op->scratch.v[i - op->unmount.n]);
	return 0;
}

int storage_op_release(void *arg, struct err *err)
{
	struct storage_op *op = arg;
	int first = 0;

	for (size_t i = op->from; i < steps(op); i++) {
		int r;

		released(op)->begun = i + 1;
		r = step(op, i, first ? NULL : err);
		first = first ? first : r;
	}
	return first;
}

bool storage_op_has_rest(struct storage_op *op)
{
	op->from = released(op)->begun;
	return op->from < steps(op);
}
