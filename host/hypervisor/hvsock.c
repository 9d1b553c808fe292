/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/hvsock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

/* "OK 1073741824\n", with room for a longer one. */
#define LINE_MAX 64

struct hvsock_dial {
	struct loop *loop;
	char *path;
	uint32_t port;
	int fd;
	struct loop_source *src, *timer, *limit;
	char line[LINE_MAX];
	size_t len;
	hvsock_done done;
	void *arg;
};

static void attempt(void *arg);

static void again(struct hvsock_dial *d)
{
	loop_remove(&d->src);
	loop_remove(&d->timer);
	close_fd(&d->fd);
	d->timer = loop_add_timer(d->loop, HVSOCK_RETRY_MS, attempt, d);
}

static void on_silence(void *arg)
{
	struct hvsock_dial *d = arg;

	d->timer = NULL;
	again(d);
}

static void finish(struct hvsock_dial *d, int fd)
{
	loop_remove(&d->src);
	loop_remove(&d->timer);
	loop_remove(&d->limit);
	d->done(fd, d->arg);
}

/* Byte by byte: what follows the line belongs to the stream. */
static void on_answer(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct hvsock_dial *d = arg;

	(void)src;
	(void)events;
	for (;;) {
		ssize_t n = read(fd, &d->line[d->len], 1);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			break;
		if (d->line[d->len] == '\n') {
			if (d->len >= 2 && !memcmp(d->line, "OK", 2)) {
				finish(d, take_fd(&d->fd));
				return;
			}
			break;
		}
		if (++d->len == sizeof(d->line))
			break;
	}
	again(d);
}

static void attempt(void *arg)
{
	struct hvsock_dial *d = arg;
	char request[32];
	int n = snprintf(request, sizeof(request), "CONNECT %u\n", d->port);

	d->timer = NULL;
	d->len = 0;
	d->fd = unix_connect(d->path, true, NULL);
	/* A fresh socket has room for so little. */
	if (d->fd >= 0 && fd_send(d->fd, request, (size_t)n, NULL, 0) == n)
		d->src = loop_add_fd(d->loop, d->fd, EPOLLIN, on_answer, d);
	if (!d->src) {
		again(d);
		return;
	}
	d->timer = loop_add_timer(d->loop, HVSOCK_ANSWER_MS, on_silence, d);
}

static void on_limit(void *arg)
{
	struct hvsock_dial *d = arg;

	d->limit = NULL;
	close_fd(&d->fd);
	finish(d, -ETIMEDOUT);
}

struct hvsock_dial *hvsock_dial(struct loop *loop, const char *path, uint32_t port,
				int64_t limit_ms, hvsock_done done, void *arg)
{
	struct hvsock_dial *d = xcalloc(1, sizeof(*d));

	d->loop = loop;
	d->path = xstrdup(path);
	d->port = port;
	d->fd = -1;
	d->done = done;
	d->arg = arg;
	d->timer = loop_defer(loop, attempt, d);
	if (limit_ms > 0)
		d->limit = loop_add_timer(loop, limit_ms, on_limit, d);
	return d;
}

void hvsock_dial_free(struct hvsock_dial *d)
{
	if (!d)
		return;
	loop_remove(&d->src);
	loop_remove(&d->timer);
	loop_remove(&d->limit);
	close_fd(&d->fd);
	free(d->path);
	free(d);
}
