/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors: whole reads and writes, unix sockets, passing descriptors.
 * Every descriptor that these functions make is close-on-exec.
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* Most descriptors that one message may carry. */
#define FD_PASS_MAX 16

/*
 * Read exactly @len bytes, across short reads and EINTR; blocks as @fd blocks.
 * Returns 0; -ENODATA at end of file before @len; or the errno of read().
 */
int fd_read_full(int fd, void *buf, size_t len);

/*
 * For the start of a program: those of the standard descriptors that its caller has closed
 * become /dev/null, before another file takes their numbers.
 */
void fd_open_standard(void);

/* Write all of @len bytes, across short writes and EINTR. 0 or -errno. */
int fd_write_full(int fd, const void *buf, size_t len);

/* Set or clear O_NONBLOCK. Not for descriptors shared with other processes. */
int fd_set_nonblock(int fd, bool on);

/*
 * Make *@fd, open for @mode (O_RDONLY, …), a non-blocking one that leaves others who have it
 * as they are: it gets a description of its own. 0, or -errno where there is none to be had
 * (sockets and other things without a place in a file system); *@fd is unchanged then.
 */
int fd_own_nonblock(int *fd, int mode);

/* Set or clear FD_CLOEXEC. */
int fd_set_cloexec(int fd, bool on);

/*
 * Wait until @fd has one of the poll() @events; @timeout_ms < 0 waits for ever.
 * Returns revents > 0, 0 on time-out, -errno.
 */
int fd_poll(int fd, short events, int timeout_ms);

/*
 * Bind and listen on the unix stream socket @path; a leading '@' means the
 * abstract namespace. A path longer than sun_path is reached through
 * /proc/self/fd of its directory. An existing socket file is an error
 * (-EADDRINUSE). Non-blocking. Returns the descriptor or -errno.
 */
int unix_listen(const char *path, int backlog, struct err *err);

/*
 * Connect to the unix stream socket @path (as in unix_listen). The connect
 * itself does not wait: a full backlog is -EAGAIN. The descriptor returned is
 * non-blocking when @nonblock.
 */
int unix_connect(const char *path, bool nonblock, struct err *err);

/*
 * sendmsg() of @len bytes (≥ 1) with @n ≤ FD_PASS_MAX descriptors attached to
 * the first byte; the caller keeps its copies. Never raises SIGPIPE. Returns
 * the bytes sent (maybe fewer; then the descriptors have gone) or -errno.
 */
ssize_t fd_send(int sock, const void *buf, size_t len, const int *fds, size_t n);

/*
 * recvmsg() of up to @len bytes. On entry *@n is the room in @fds, on return
 * the number received, which the caller owns; what does not fit is closed and
 * the call fails with -EMSGSIZE. Returns bytes, 0 at end of file, -errno.
 */
ssize_t fd_recv(int sock, void *buf, size_t len, int *fds, size_t *n);

#endif
