/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who removes the file of a socket that the monitor made, when the monitor has ended,
 * however it did: in its jail it has no names. Only for sockets that people name; what a
 * driver makes it removes itself.
 */
#ifndef VMM_SWEEP_H
#define VMM_SWEEP_H

#include "base/err.h"

/*
 * Start a process that removes @path once this one has gone, and does nothing else: it has
 * no capabilities, nothing open but the log, and the system calls that @confine leaves it
 * (NULL: all). Before there are threads. 0, or -errno and @err: then the file is removed now.
 */
int sweep_later(const char *path, int (*confine)(struct err *err), struct err *err);

#endif
