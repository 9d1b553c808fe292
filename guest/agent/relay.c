/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/relay.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#define BUFFER 4096

struct end {
	int fd;
	struct loop_source *src;
	char buf[BUFFER]; /* read from here, still to be written to the other one */
	size_t len;
};

struct relay {
	struct end end[2];
	void (*done)(void *arg);
	void *arg;
};

void relay_stop(struct relay **r)
{
	if (!*r)
		return;
	loop_remove(&(*r)->end[0].src);
	loop_remove(&(*r)->end[1].src);
	free(*r);
	*r = NULL;
}

static void finish(struct relay *r)
{
	void (*done)(void *arg) = r->done;
	void *arg = r->arg;

	relay_stop(&r);
	done(arg);
}

/* What @from has read, as far as @to takes it. False when @to takes no more ever. */
static bool flush(struct end *from, const struct end *to)
{
	ssize_t n;

	if (from->len == 0)
		return true;
	n = write(to->fd, from->buf, from->len);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	from->len -= (size_t)n;
	memmove(from->buf, from->buf + n, from->len);
	return true;
}

/* False when nothing more comes from @e. */
static bool fill(struct end *e)
{
	ssize_t n;

	if (e->len == BUFFER)
		return true;
	n = read(e->fd, e->buf + e->len, BUFFER - e->len);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	e->len += (size_t)n;
	return n > 0;
}

static void set_events(struct relay *r)
{
	for (int i = 0; i < 2; i++)
		loop_set_events(r->end[i].src, (r->end[i].len < BUFFER ? EPOLLIN : 0) |
						       (r->end[!i].len > 0 ? EPOLLOUT : 0));
}

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct relay *r = arg;
	struct end *e = &r->end[src == r->end[1].src], *other = &r->end[e == &r->end[0]];
	bool more = true;

	(void)fd;
	if (events & EPOLLOUT && !flush(other, e))
		more = false;
	if (more && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		more = fill(e);
	if (!flush(e, other) || !more) {
		finish(r);
		return;
	}
	/* Its other side is gone and it has nothing left to say: level triggered for ever. */
	if (events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLIN)) {
		finish(r);
		return;
	}
	set_events(r);
}

struct relay *relay_start(struct loop *loop, int a, int b, void (*done)(void *arg), void *arg)
{
	struct relay *r = xcalloc(1, sizeof(*r));

	r->done = done;
	r->arg = arg;
	r->end[0].fd = a;
	r->end[1].fd = b;
	for (int i = 0; i < 2; i++) {
		fd_set_nonblock(r->end[i].fd, true);
		r->end[i].src = loop_add_fd(loop, r->end[i].fd, EPOLLIN, on_event, r);
	}
	return r;
}
