/* SPDX-License-Identifier: Apache-2.0 */
/* Block devices of this host, by number: what a specification names them by. */
#ifndef HOST_STORAGE_DISK_H
#define HOST_STORAGE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Its node below /dev, which must be there (the caller frees). -ENODEV when there is no such disk. */
int disk_path(int64_t major, int64_t minor, char **path, struct err *err);

/* Whether the kernel lets nobody write to it. False for one that is not there. */
bool disk_read_only(int64_t major, int64_t minor);

#endif
