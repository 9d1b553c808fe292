/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names on the command line become descriptors: "fd:N" is one that was inherited, all
 * else a path. A driver gives descriptors only, so that the monitor opens nothing.
 */
#ifndef VMM_OPEN_H
#define VMM_OPEN_H

#include <stdbool.h>

#include "base/err.h"

/* 1 and the number in *@fd, 0 for a path, -EINVAL for a number that is none. */
int open_is_fd(const char *name, int *fd);

/*
 * A descriptor of the caller's: the inherited one, now close-on-exec,
 * or the file opened with @flags. @what names it in @err ("kernel").
 */
int open_file(const char *what, const char *name, int flags, struct err *err);

/* The same for unix stream sockets, non-blocking: one to accept from, a connected one. */
int open_listener(const char *what, const char *name, struct err *err);
int open_connection(const char *what, const char *name, struct err *err);

#endif
