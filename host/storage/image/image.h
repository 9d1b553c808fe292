/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root file system as disks, for a machine that shares no files with the host: below,
 * images that are only read and that all containers of one image have in common (cache.h),
 * on top what the container writes to (writable.h), unless that is to be memory.
 *
 * What the engine wrote into the upper layer of an overlay mount is an image of its own
 * between them, so that those below stay the same for every container. A file in that layer, TREE_MARK,
 * tells whoever looks for the container's changes there (an engine that compares it) where
 * they are, and lets fail what would make an image of it; the container does not see it.
 */
#ifndef HOST_STORAGE_IMAGE_IMAGE_H
#define HOST_STORAGE_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "host/storage/source.h"

#define IMAGE_DISKS_MAX 3
#define IMAGE_PATH_MAX	1024

/* What is wanted. Borrowed for the call that takes it. */
struct image_ask {
	struct source_place place; /* where @rootfs is looked for */
	const char *rootfs;	   /* absolute */
	const char *cache;	   /* directory of images */
	const char *writables;	   /* directory of what belongs to no overlay mount */
	uint64_t cache_max;	   /* bytes */
	uint64_t size;		   /* of what can be written, in bytes; 0: as there is room */
	bool memory;		   /* nothing that is written is to stay */
};

struct image_disk {
	char path[IMAGE_PATH_MAX];
	int fd; /* keeps it from being removed, or given to another, until it is closed; -1: none */
};

/* The disks of a root: images from the top down, and what can be written to, if anything is. */
struct image_root {
	unsigned n;
	bool writable; /* the last is an ext4 to write to; all others are erofs */
	bool mounts;   /* something else is mounted in it, which the disks do not have */
	struct image_disk disks[IMAGE_DISKS_MAX];
};

/* Close all. It may be empty, and is afterwards. */
void image_root_release(struct image_root *root);

/*
 * Make what of it is not there. Blocks, and changes the mount namespace, root and working
 * directory of the process, so it is for a child of its own (prepare.h). When a file changes
 * meanwhile it is begun again; -ESTALE when that does not end. A failure leaves nothing new.
 */
int image_make(const struct image_ask *ask, struct image_root *root, struct err *err);

#endif
