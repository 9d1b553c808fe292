/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that goes into the guest's memory, mapped while it does: its bytes are copied
 * once, out of the page cache. Whoever gives a kernel is trusted not to shorten it
 * meanwhile; what is in it is not trusted.
 */
#ifndef VMM_BOOT_IMAGE_H
#define VMM_BOOT_IMAGE_H

#include <stdint.h>

#include "base/err.h"

struct image {
	const uint8_t *bytes; /* NULL when there are none */
	uint64_t size;
};

/* Map the regular file @fd (borrowed), @what in @err. 0, -EINVAL: no such file, -errno. */
int image_map(struct image *image, int fd, const char *what, struct err *err);
/* Allowed on a zeroed struct. */
void image_unmap(struct image *image);

/*
 * Copy @len bytes from @offset on: 0, -ENODATA: they are not all within the file, or
 * -errno: they cannot be read.
 */
int image_copy(const struct image *image, void *to, uint64_t offset, uint64_t len);

#endif
