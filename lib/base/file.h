/* SPDX-License-Identifier: Apache-2.0 */
/* Files and directories: whole files, atomic replacement, trees. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/*
 * Append all of @path to @out, at most @max bytes (-EFBIG beyond). Opens with
 * O_NONBLOCK, so that a FIFO in the place of a file is no trap; anything but a
 * regular file or a /proc, /sys kind of file fails with -EINVAL.
 */
int file_read(const char *path, size_t max, struct str *out, struct err *err);

/* Write @len bytes to the existing file @path (a sysfs, procfs or cgroup knob). */
int file_write_knob(const char *path, const void *data, size_t len, struct err *err);

/*
 * Replace @path by a file of @len bytes with @mode: written beside it, then
 * renamed. A reader sees the old file or the new one, and a failure leaves the
 * old one alone and nothing else behind.
 */
int file_replace(const char *path, const void *data, size_t len, mode_t mode, struct err *err);

/* mkdir -p. Directories that exist keep their mode; those made get @mode. */
int dir_make(const char *path, mode_t mode, struct err *err);

/*
 * rm -r without following symbolic links and without crossing mount points,
 * bind mounts included (-EBUSY for what is a mount point, @path itself too). A
 * path that does not exist is success.
 */
int tree_remove(const char *path, struct err *err);

/*
 * "/a/b" + "c" → "/a/b/c". The caller frees.
 */
char *path_join(const char *dir, const char *name);

/* The absolute path of @path without symbolic links. NULL and @err on failure. */
char *path_real(const char *path, struct err *err);

#endif
