/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root file system of several images: erofs layers below, a writable one on
 * top, an overlay of them at the place of the container's root. The runtime
 * sends one storage for each, marked X-kata.multi-layer=true; together they
 * are one mount.
 */
#ifndef AGENT_STORAGE_LAYERS_H
#define AGENT_STORAGE_LAYERS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/agent.pb-c.h"

#define LAYERS_MAX 64

struct layers {
	char *target;				/* where the overlay goes */
	const Grpc__Storage *upper;		/* NULL: a directory below @base */
	const Grpc__Storage *lower[LAYERS_MAX]; /* the topmost first */
	size_t n;
	char *base; /* the directory with upper/ and lower-N/ */
	bool shared;
};

/* Whether the storage is part of such a mount. */
bool layers_member(const Grpc__Storage *s);

/*
 * Sort the members among @n storages; @cid names the container. -EINVAL for a
 * group that makes no mount, -EOPNOTSUPP for dm-verity. Pure; the storages
 * must live as long as @l. layers_done() accepts a zeroed one too.
 */
int layers_plan(Grpc__Storage *const *list, size_t n, const char *cid, struct layers *l,
		struct err *err);
void layers_done(struct layers *l);

/* The mounts to be undone before the target's, in reverse order. */
void layers_mounts(const struct layers *l, struct strv *mounts);

/* Mount all of it; what was mounted before a failure goes again. Blocks: for jobs. */
int layers_mount(const struct layers *l, struct err *err);

#endif
