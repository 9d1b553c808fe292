/* SPDX-License-Identifier: Apache-2.0 */
#include "ttrpc/conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#define READS_PER_EVENT 16 /* then others have their turn */
#define PIECES_MAX	32 /* frames sent by one system call */

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg);

struct conn *conn_new(struct loop *loop, int fd, const struct conn_ops *ops, void *arg, int *r)
{
	socklen_t len = sizeof(int);
	struct conn *c;
	int domain;

	*r = fd_set_nonblock(fd, true);
	if (*r < 0) {
		close_fd(&fd);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	list_init(&c->out);
	list_init(&c->held);
	c->loop = loop;
	c->fd = fd;
	c->ops = ops;
	c->arg = arg;
	c->is_socket = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0;
	c->passes_fds = c->is_socket && domain == AF_UNIX;
	c->events = EPOLLIN;
	c->src = loop_add_fd(loop, fd, c->events, on_event, c);
	if (!c->src) {
		*r = -errno;
		conn_free(c);
		return NULL;
	}
	return c;
}

static void forget_fds(struct conn *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close_fd(&c->fds[i].fd);
	c->nfds -= n;
	memmove(c->fds, c->fds + n, c->nfds * sizeof(c->fds[0]));
}

void conn_drop_output(struct conn *c)
{
	while (!list_empty(&c->out))
		out_free(container_of(c->out.next, struct out, link));
	while (!list_empty(&c->held))
		out_free(container_of(c->held.next, struct out, link));
	c->queued = 0;
}

/* Give back all but the memory that a callback on the stack may look at. */
static void shut(struct conn *c)
{
	loop_remove(&c->src);
	close_fd(&c->fd);
	conn_drop_output(c);
	forget_fds(c, c->nfds);
	serial_free(c);
}

static void release(struct conn *c)
{
	frame_reset(&c->in);
	free(c);
}

void conn_free(struct conn *c)
{
	if (!c || c->dead)
		return;
	c->dead = true;
	loop_remove(&c->ending);
	shut(c);
	if (!c->busy)
		release(c);
}

static void tell_closed(void *arg)
{
	struct conn *c = arg;

	c->ending = NULL;
	conn_enter(c);
	c->ops->closed(c, &c->err, c->arg);
	conn_leave(c);
}

void conn_fail(struct conn *c, int code, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	if (c->dead || c->err.code)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&c->err, code, "%s", text);
	shut(c);
	c->ending = loop_defer(c->loop, tell_closed, c);
}

/* ---- output -------------------------------------------------------------- */

void conn_watch(struct conn *c)
{
	uint32_t events = EPOLLIN;

	if (conn_over(c))
		return;
	if (!list_empty(&c->out))
		events |= EPOLLOUT;
	if (events == c->events && !serial_gone(c))
		return;
	c->events = serial_gone(c) ? 0 : events;
	loop_set_events(c->src, c->events);
}

/* One system call. A frame with descriptors starts one, so that they ride on its first byte. */
static ssize_t send_some(struct conn *c)
{
	struct out *first = container_of(c->out.next, struct out, link);
	struct iovec iov[PIECES_MAX];
	struct msghdr msg = { .msg_iov = iov };
	struct list *it;
	size_t n = 0;
	ssize_t r;

	if (first->nfds > 0)
		return fd_send(c->fd, first->data, first->len, first->fds, first->nfds);
	list_for_each(it, &c->out) {
		struct out *o = container_of(it, struct out, link);

		if (n == PIECES_MAX || o->nfds > 0)
			break;
		iov[n].iov_base = o->data + o->sent;
		iov[n++].iov_len = o->len - o->sent;
	}
	msg.msg_iovlen = n;
	do {
		r = c->is_socket ? sendmsg(c->fd, &msg, MSG_NOSIGNAL) : writev(c->fd, iov, (int)n);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static void sent(struct conn *c, size_t n)
{
	c->queued -= n;
	while (!list_empty(&c->out)) {
		struct out *o = container_of(c->out.next, struct out, link);
		size_t part = o->len - o->sent < n ? o->len - o->sent : n;

		if (part == 0 && o->sent < o->len)
			break;
		for (size_t i = 0; i < o->nfds; i++)
			close_fd(&o->fds[i]);
		o->nfds = 0;
		o->sent += part;
		n -= part;
		if (o->sent == o->len)
			out_free(o);
	}
}

static void flush(struct conn *c)
{
	while (!conn_over(c) && !list_empty(&c->out)) {
		ssize_t n = send_some(c);

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			conn_fail(c, n == -EPIPE ? -ECONNRESET : (int)n, "connection lost: %s",
				  strerror((int)-n));
			return;
		}
		sent(c, (size_t)n);
	}
	conn_watch(c);
}

static void enqueue(struct conn *c, struct list *queue, struct out *o)
{
	bool first = list_empty(&c->out);

	if (conn_over(c)) {
		out_free(o);
		return;
	}
	list_add_tail(queue, &o->link);
	c->queued += o->len;
	if (!c->busy && first && queue == &c->out)
		flush(c);
	if (c->queued > TTRPC_QUEUE_MAX)
		conn_fail(c, ENOBUFS, "connection closed: the peer does not read");
}

void conn_send(struct conn *c, struct out *o)
{
	enqueue(c, serial_ready(c) ? &c->out : &c->held, o);
}

void conn_send_mark(struct conn *c, struct out *o)
{
	enqueue(c, &c->out, o);
}

/* ---- input --------------------------------------------------------------- */

size_t conn_take_fds(struct conn *c, int *fds, size_t n)
{
	size_t got = n < c->nfds ? n : c->nfds;

	for (size_t i = 0; i < got; i++)
		fds[i] = take_fd(&c->fds[i].fd);
	forget_fds(c, got);
	return got;
}

/* Close what came with frames that are done and did not take it. */
static void forget_unclaimed(struct conn *c)
{
	size_t n = 0;

	while (n < c->nfds && c->fds[n].end <= c->in.taken)
		n++;
	forget_fds(c, n);
}

void conn_process(struct conn *c)
{
	struct frame f;

	while (!conn_over(c) && serial_seek(c) && frame_next(&c->in, &f)) {
		if (f.too_long && c->serial) {
			serial_garbage(c);
			continue;
		}
		serial_progress(c);
		c->ops->frame(c, &f, c->arg);
		if (!c->dead)
			forget_unclaimed(c);
	}
	if (!conn_over(c))
		serial_idle(c);
}

static ssize_t read_some(struct conn *c, uint8_t *buf, size_t len)
{
	int fds[CONN_FDS_MAX];
	size_t n = CONN_FDS_MAX - c->nfds;
	ssize_t r;

	if (!c->is_socket) {
		do {
			r = read(c->fd, buf, len);
		} while (r < 0 && errno == EINTR);
		return r < 0 ? -errno : r;
	}
	r = fd_recv(c->fd, buf, len, fds, &n);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		c->fds[c->nfds].fd = fds[i];
		c->fds[c->nfds++].end = c->received + (uint64_t)r;
	}
	return r;
}

static void end_of_input(struct conn *c, ssize_t r)
{
	if (c->serial && (r == 0 || r == -EIO) && serial_hangup(c))
		return;
	if (r == 0)
		conn_fail(c, ECONNRESET, "connection closed by the peer");
	else if (r == -EMSGSIZE)
		conn_fail(c, EMSGSIZE, "connection closed: too many descriptors received");
	else
		conn_fail(c, (int)r, "connection lost: %s", strerror((int)-r));
}

static void receive(struct conn *c, bool hangup)
{
	for (int i = 0; i < READS_PER_EVENT && !conn_over(c); i++) {
		size_t room;
		uint8_t *buf = frame_room(&c->in, &room);
		ssize_t n = read_some(c, buf, room);

		if (n == -EAGAIN) {
			if (hangup)
				end_of_input(c, 0);
			return;
		}
		if (n <= 0) {
			end_of_input(c, n);
			return;
		}
		c->received += (uint64_t)n;
		frame_filled(&c->in, (size_t)n);
		conn_process(c);
		if ((size_t)n < room && !hangup)
			return;
	}
}

void conn_enter(struct conn *c)
{
	c->busy++;
}

void conn_leave(struct conn *c)
{
	if (--c->busy > 0)
		return;
	if (c->dead)
		release(c);
	else
		flush(c);
}

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct conn *c = arg;

	(void)src;
	(void)fd;
	conn_enter(c);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(c, events & (EPOLLHUP | EPOLLERR));
	conn_leave(c);
}
