/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An end of the console: a descriptor of any kind – a terminal, a pipe, a socket, a file –
 * that never makes its user wait, and what the loop watches it for.
 */
#ifndef VMM_VIRTIO_CONSOLE_END_H
#define VMM_VIRTIO_CONSOLE_END_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/loop.h"

struct console_end {
	int fd; /* owned; -1: none */
	struct loop_source *source;
	uint32_t events;
	bool is_file;	/* never has to be waited for, and the loop cannot */
	bool is_socket; /* asked with each call not to block; others do not by themselves */
};

/*
 * Prepare @e->fd for @mode (O_RDONLY, O_WRONLY, O_RDWR), if there is one, and have the loop
 * watch it for @events. 0 or -errno; closed by console_end_close() after either.
 */
int console_end_open(struct console_end *e, int mode, struct loop *loop, uint32_t events,
		     loop_fd_cb cb, void *arg);
/*
 * The same for a connection @fd that was accepted just now, watched for input: nothing is
 * asked of it, for once the guest runs that is forbidden. On failure it is closed.
 */
int console_end_take(struct console_end *e, int fd, struct loop *loop, loop_fd_cb cb, void *arg);
/* Nothing is there from now on. */
void console_end_close(struct console_end *e);

/* Have it watched for @events, 0: for nothing, if that is news. */
void console_end_watch(struct console_end *e, uint32_t events);

/* The bytes that went, 0 when there is no room now, -errno. */
ssize_t console_end_write(const struct console_end *e, const struct iovec *iov, unsigned n);

#endif
