/* SPDX-License-Identifier: Apache-2.0 */
/* Where the guest's console ends on the host, as the command line says it. */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include "base/err.h"
#include "vmm/virtio/console.h"

#define CONSOLE_UNIX "unix:"

/*
 * What @where names, opened: "stdio" (a terminal becomes raw, and Ctrl-A x calls @quit),
 * "unix:PATH" (a socket that is made and listens), "fd:N" (by what it is), else a file that
 * is appended to. 0, or -errno and @err; then nothing is open.
 */
int console_open(const char *where, void (*quit)(void *arg), void *arg,
		 struct virtio_console_setup *setup, struct err *err);

#endif
