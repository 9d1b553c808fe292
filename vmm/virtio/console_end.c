/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/console_end.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"

/*
 * Its description may be shared with whoever started the monitor, so it gets one of its own
 * (sockets have none, and need none to send).
 */
static int unblock(struct console_end *e, int mode)
{
	struct stat st;

	if (fstat(e->fd, &st) < 0)
		return -errno;
	e->is_socket = S_ISSOCK(st.st_mode);
	if (e->is_socket || S_ISREG(st.st_mode))
		return 0;
	return fd_own_nonblock(&e->fd, mode) < 0 ? fd_set_nonblock(e->fd, true) : 0;
}

static int add(struct console_end *e, struct loop *loop, uint32_t events, loop_fd_cb cb, void *arg)
{
	e->source = loop_add_fd(loop, e->fd, EPOLLIN, cb, arg);
	e->is_file = !e->source && errno == EPERM; /* epoll refuses those */
	if (!e->source)
		return e->is_file ? 0 : -errno;
	e->events = EPOLLIN;
	console_end_watch(e, events);
	return 0;
}

int console_end_open(struct console_end *e, int mode, struct loop *loop, uint32_t events,
		     loop_fd_cb cb, void *arg)
{
	int r;

	if (e->fd < 0)
		return 0;
	r = unblock(e, mode);
	return r == 0 ? add(e, loop, events, cb, arg) : r;
}

int console_end_take(struct console_end *e, int fd, struct loop *loop, loop_fd_cb cb, void *arg)
{
	int r;

	*e = (struct console_end){ .fd = fd, .is_socket = true };
	r = add(e, loop, EPOLLIN, cb, arg);
	if (r < 0)
		console_end_close(e);
	return r;
}

void console_end_close(struct console_end *e)
{
	loop_remove(&e->source);
	close_fd(&e->fd);
	e->events = 0;
	e->is_file = e->is_socket = false;
}

void console_end_watch(struct console_end *e, uint32_t events)
{
	if (e->source && e->events != events)
		loop_set_events(e->source, events);
	e->events = events;
}

ssize_t console_end_write(const struct console_end *e, const struct iovec *iov, unsigned n)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n };
	ssize_t r;

	do {
		r = e->is_socket ? sendmsg(e->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) :
				   writev(e->fd, iov, (int)n);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EAGAIN ? 0 : -errno;
	return r;
}
