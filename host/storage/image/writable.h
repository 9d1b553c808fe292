/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container writes to: a sparse file with an ext4, which stays when the container
 * stops, and goes with the root that it belongs to.
 */
#ifndef HOST_STORAGE_IMAGE_WRITABLE_H
#define HOST_STORAGE_IMAGE_WRITABLE_H

#include <stdint.h>

#include "base/err.h"

#define WRITABLE_DIR  "/var/lib/kata-containers/writable"
#define WRITABLE_NAME "kata-c.img"

/* Where no size is asked for: as much as there is room for, within these. */
#define WRITABLE_MIN (UINT64_C(64) << 20)
#define WRITABLE_MAX (UINT64_C(16) << 30)

/*
 * The place of that of the directory @rootfs, in the directory @dir: named by path, inode
 * and time of birth. Files of directories that are no more are removed from there, unless
 * they are in use. The caller frees; NULL and @err on failure.
 */
char *writable_place(const char *dir, const char *rootfs, struct err *err);

/*
 * Open the file @path, or make it with @size bytes (0: see above), and have it alone until
 * it is closed: -EBUSY when somebody has it. A failure leaves nothing.
 */
int writable_open(const char *path, uint64_t size, struct err *err);

#endif
