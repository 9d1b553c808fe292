/* SPDX-License-Identifier: Apache-2.0 */
/* The content of a directory of erofs. */
#ifndef HOST_STORAGE_IMAGE_EROFS_DIR_H
#define HOST_STORAGE_IMAGE_EROFS_DIR_H

#include <stdint.h>

#include "host/storage/image/tree.h"

/* Its size in bytes. */
uint64_t erofs_dir_size(const struct node *dir);

/* The content, into so many zeroed bytes; everything in it has its place by now. */
void erofs_dir_fill(const struct node *dir, const struct node *parent, uint8_t *content);

#endif
