/* SPDX-License-Identifier: Apache-2.0 */
/* image_make() in a child, so that the loop goes on. */
#ifndef HOST_STORAGE_IMAGE_PREPARE_H
#define HOST_STORAGE_IMAGE_PREPARE_H

#include "host/storage/image/image.h"

struct preparation;

/*
 * From the loop, once: @root is the callback's (image_root_release()), or NULL and @err. The
 * disks' paths lead to what their descriptors hold, as this process sees them.
 */
typedef void (*image_done)(const struct err *err, const struct image_root *root, void *arg);

/*
 * Begin; the strings of @ask are read before this returns. Past @limit_ms the child is killed:
 * -ETIMEDOUT. NULL and @err when there can be no child.
 */
struct preparation *image_prepare(struct loop *loop, const struct image_ask *ask, int64_t limit_ms,
				  image_done done, void *arg, struct err *err);

/* Kill the child; @done is called with @why from the loop. */
void image_cancel(struct preparation *p, const struct err *why);

/* Kill the child and forget all about it; @done is not called. NULL is allowed. */
void image_drop(struct preparation *p);

#endif
