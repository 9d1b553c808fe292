/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes into an image. */
#ifndef HOST_STORAGE_IMAGE_EROFS_COPY_H
#define HOST_STORAGE_IMAGE_EROFS_COPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "host/storage/image/tree.h"

/* @len bytes to the block @block of @out. */
int erofs_put(int out, const void *data, size_t len, uint32_t block, struct err *err);

/*
 * The content of the regular file @fd, which has to be what @node says (-ESTALE), to its
 * place in @out, where nothing is yet: what is a hole or zero is left out.
 */
int erofs_copy(const struct node *node, int fd, int out, struct err *err);

/* The same of a small one, to @to. */
int erofs_copy_inline(const struct node *node, int fd, uint8_t *to, struct err *err);

#endif
