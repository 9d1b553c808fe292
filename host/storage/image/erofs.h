/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of files becomes an erofs image. */
#ifndef HOST_STORAGE_IMAGE_EROFS_H
#define HOST_STORAGE_IMAGE_EROFS_H

#include <stdint.h>

#include "base/err.h"
#include "host/storage/image/tree.h"

enum erofs_overlay {
	/* Attributes that an overlay mount keeps its own things in are left out. */
	EROFS_OVERLAY_DROP,
	/* It is a layer: they stay, those of a mount with "userxattr" as trusted ones. */
	EROFS_OVERLAY_KEEP,
};

struct erofs_spec {
	enum erofs_overlay overlay;
	uint8_t uuid[16];
	const struct stat *root; /* mode and owner of the root in the place of its own; or NULL */
};

/*
 * Write the image of @tree, which was read of the directory @dir, into the empty file @out. The same tree gives the
 * same bytes. Holes stay holes. @tree is marked and can be used once. -ESTALE when a file is
 * another than it was when the tree was read, -E2BIG for what the format cannot hold,
 * -ENOSPC and what else writing fails with. What is in @out after a failure is for nothing.
 */
int erofs_write(struct tree *tree, int dir, const struct erofs_spec *spec, int out,
		struct err *err);

#endif
