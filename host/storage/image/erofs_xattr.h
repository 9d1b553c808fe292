/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of a file, as erofs has them behind the inode. */
#ifndef HOST_STORAGE_IMAGE_EROFS_XATTR_H
#define HOST_STORAGE_IMAGE_EROFS_XATTR_H

#include "base/err.h"
#include "host/storage/image/erofs.h"

/*
 * Read those of @name in the current directory into @node. Of kinds that erofs has no
 * number for nothing is kept. -E2BIG for more than fit.
 */
int erofs_xattrs(struct node *node, const char *name, enum erofs_overlay overlay, struct err *err);

#endif
