/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking mounts away, lazily: what still uses one keeps it, and nobody who
 * comes later sees it. No symbolic link is followed at the end of a path.
 */
#ifndef HOST_STORAGE_UNMOUNT_H
#define HOST_STORAGE_UNMOUNT_H

#include "base/err.h"

/* Unmount all that is mounted at @path, however often. Nothing there is success. */
int unmount_at(const char *path, struct err *err);

/* Unmount all that this process sees mounted at @dir and below it, the last made first. */
int unmount_below(const char *dir, struct err *err);

#endif
