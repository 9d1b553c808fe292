/* SPDX-License-Identifier: Apache-2.0 */
#include "http/get.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define RETRY_MS 10

/* An answer is looked at again when so much more has come of it. */
#define PIECE 65536

struct http_get {
	struct loop *loop;
	char *socket;
	http_got got;
	void *arg;
	int64_t limit_ms;
	int fd;
	struct loop_source *src, *limit, *step;
	struct str out, in;
};

static void release(struct http_get *g)
{
	loop_remove(&g->src);
	loop_remove(&g->limit);
	loop_remove(&g->step);
	close_fd(&g->fd);
	str_free(&g->out);
	str_free(&g->in);
	free(g->socket);
	free(g);
}

static void finish(struct http_get *g, const struct err *err, const struct http_answer *answer)
{
	struct err why = ERR_INIT;
	http_got got = g->got;
	void *arg = g->arg;

	if (err) {
		why = *err;
		err_wrap(&why, "%s", g->socket);
	}
	release(g);
	got(err ? &why : NULL, answer, arg);
}

static void on_limit(void *arg)
{
	struct http_get *g = arg;
	struct err err = ERR_INIT;

	g->limit = NULL;
	err_set(&err, ETIMEDOUT, "no %sanswer within %lld ms", g->in.len ? "whole " : "",
		(long long)g->limit_ms);
	finish(g, &err, NULL);
}

/* 0 or -errno; the rest waits for EPOLLOUT. */
static int flush(struct http_get *g)
{
	while (g->out.len > 0) {
		ssize_t n = fd_send(g->fd, g->out.data, g->out.len, NULL, 0);

		if (n == -EAGAIN)
			break;
		if (n < 0)
			return (int)n;
		str_drop(&g->out, (size_t)n);
	}
	loop_set_events(g->src, g->out.len ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return 0;
}

/* All that is there now, PIECE at most. False at the end of the stream. */
static bool receive(struct http_get *g)
{
	char buf[16384];
	size_t got = 0;

	while (got < PIECE) {
		ssize_t n = recv(g->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0)
			return false;
		str_add(&g->in, buf, (size_t)n);
		got += (size_t)n;
	}
	return true;
}

static void on_socket(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct http_answer answer = { 0 };
	struct http_get *g = arg;
	struct err err = ERR_INIT;
	bool end;
	int r;

	(void)src;
	(void)fd;
	/* A failure to send shows as the end of the stream as well. */
	if (events & EPOLLOUT)
		flush(g);
	end = !receive(g);
	r = http_answer_parse(&g->in, end, &answer, &err);
	if (r != 0)
		finish(g, r < 0 ? &err : NULL, r < 0 ? NULL : &answer);
	str_free(&answer.body);
}

static void begin(void *arg)
{
	struct http_get *g = arg;
	struct err err = ERR_INIT;

	g->step = NULL;
	g->fd = unix_connect(g->socket, true, &err);
	if (g->fd == -EAGAIN) { /* it is busy with others */
		g->step = loop_add_timer(g->loop, RETRY_MS, begin, g);
		return;
	}
	if (g->fd >= 0)
		g->src = loop_add_fd(g->loop, g->fd, EPOLLIN, on_socket, g);
	if (g->src) {
		flush(g);
		return;
	}
	if (g->fd >= 0)
		err_sys(&err, errno, "epoll");
	else
		g->fd = -1;
	finish(g, &err, NULL);
}

struct http_get *http_get(struct loop *loop, const char *socket, const char *target,
			  int64_t limit_ms, http_got got, void *arg)
{
	struct http_get *g = xcalloc(1, sizeof(*g));

	g->loop = loop;
	g->socket = xstrdup(socket);
	g->got = got;
	g->arg = arg;
	g->limit_ms = limit_ms;
	g->fd = -1;
	str_printf(&g->out, "GET %s HTTP/1.1\r\nHost: shim\r\nConnection: close\r\n\r\n", target);
	g->step = loop_defer(loop, begin, g);
	g->limit = loop_add_timer(loop, limit_ms, on_limit, g);
	return g;
}

void http_get_cancel(struct http_get **get)
{
	if (*get)
		release(*get);
	*get = NULL;
}
