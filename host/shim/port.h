/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port: the descriptor on the host that a standard stream of a container
 * ends in.
 *
 * One that was handed over with a request shares its open file description
 * with the caller's shell, so O_NONBLOCK is never set on it, and it is never
 * opened anew by a path. Reading and writing do not block nevertheless: by
 * MSG_DONTWAIT on sockets and RWF_NOWAIT where the kernel has it; elsewhere
 * (terminals, older pipes) poll() is asked first, and a timer interrupts the
 * call should another process have been quicker.
 */
#ifndef HOST_SHIM_PORT_H
#define HOST_SHIM_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

enum port_kind {
	PORT_DIRECT, /* a file, /dev/null: never waits, and epoll refuses it */
	PORT_SOCKET,
	PORT_PRIVATE, /* opened by us, non-blocking */
	PORT_SHARED,  /* handed over: a pipe, a terminal */
};

struct port {
	int fd; /* owned; -1: closed, or there never was one */
	enum port_kind kind;
	bool no_nowait; /* RWF_NOWAIT was refused */
};

#define PORT_NONE                      \
	{                              \
		-1, PORT_DIRECT, false \
	}

/*
 * Open the stream @name ("stdin", for errors), which @out says to be one that
 * the container writes. @where is
 *   ""             nothing: @port stays closed
 *   fd:N           descriptor @fds[N] of @n, which is duplicated
 *   file:///path   a file, appended to
 *   fifo:///path, /path   a FIFO; one without a peer fails neither here nor later
 * 0, or -errno and @err.
 */
int port_open(struct port *port, const char *name, const char *where, bool out, const int *fds,
	      size_t n, struct err *err);

/* Up to @len bytes; 0 at the end (also of a terminal that was hung up); -EAGAIN; -errno. */
ssize_t port_read(struct port *port, void *buf, size_t len);

/* Some of @len bytes, at least one; -EAGAIN; -errno (-EPIPE: nobody reads any more). */
ssize_t port_write(struct port *port, const void *buf, size_t len);

void port_close(struct port *port);

#endif
