/* SPDX-License-Identifier: Apache-2.0 */
#include "http/httpd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"

/* Read at once; what more is there comes with the next round. */
#define PIECE 16384

/* After a failure to accept: so long is nothing accepted. */
#define BREATHER_MS 200

enum phase {
	IDLE,	   /* nothing of a request has come */
	READING,   /* a part of it */
	ANSWERING, /* the handler has it */
	WRITING,
	LINGERING, /* refused: what still comes is thrown away */
};

struct conn {
	struct list link;
	struct httpd *h;
	int fd;
	enum phase phase;
	struct loop_source *src, *limit, *step;
	struct str in, out;
	struct http_asked asked; /* its head is complete when there is a method */
	bool close;		 /* after the answer */
	struct httpd_call *call; /* ANSWERING */
};

struct httpd_call {
	struct conn *conn; /* NULL: it has gone */
	struct http_asked asked;
};

struct httpd {
	struct loop *loop;
	struct httpd_options opt;
	struct list conns; /* the one that was idle for longest is first */
	size_t n;
	int fd;
	struct loop_source *src, *breather;
};

static void look(struct conn *c);

/* ---- a connection's life ------------------------------------------------------- */

static void accept_on(struct httpd *h, bool on)
{
	if (h->src)
		loop_set_events(h->src, on ? EPOLLIN : 0);
}

static void conn_free(struct conn *c)
{
	struct httpd *h = c->h;

	if (c->call)
		c->call->conn = NULL; /* the answer is still due */
	http_asked_free(&c->asked);
	loop_remove(&c->src);
	loop_remove(&c->limit);
	loop_remove(&c->step);
	close_fd(&c->fd);
	str_free(&c->in);
	str_free(&c->out);
	list_del(&c->link);
	free(c);
	h->n--;
	accept_on(h, !h->breather);
}

static void on_limit(void *arg)
{
	struct conn *c = arg;

	c->limit = NULL;
	conn_free(c);
}

static void enter(struct conn *c, enum phase phase)
{
	static const int64_t limits[] = { [IDLE] = HTTPD_IDLE_MS,
					  [READING] = HTTPD_TALK_MS,
					  [ANSWERING] = -1,
					  [WRITING] = HTTPD_TALK_MS,
					  [LINGERING] = HTTPD_LINGER_MS };
	/* While the handler works nothing is read, but the end of the peer is seen. */
	static const uint32_t events[] = { [IDLE] = EPOLLIN,
					   [READING] = EPOLLIN,
					   [ANSWERING] = EPOLLRDHUP,
					   [WRITING] = EPOLLOUT,
					   [LINGERING] = EPOLLIN };

	c->phase = phase;
	loop_set_events(c->src, events[phase]);
	loop_remove(&c->limit);
	if (limits[phase] > 0)
		c->limit = loop_add_timer(c->h->loop, limits[phase], on_limit, c);
	/* The others wait longer than this one. */
	list_del(&c->link);
	list_add_tail(&c->h->conns, &c->link);
	/* It may give way to one that waits to be accepted. */
	if (phase != ANSWERING && phase != WRITING)
		accept_on(c->h, !c->h->breather);
}

/* ---- writing -------------------------------------------------------------------- */

static void on_step(void *arg)
{
	struct conn *c = arg;

	c->step = NULL;
	loop_set_events(c->src, EPOLLIN);
	look(c);
}

static void written(struct conn *c)
{
	if (c->close) {
		/* With unread bytes behind it, closing could take the answer away again. */
		shutdown(c->fd, SHUT_WR);
		enter(c, LINGERING);
		return;
	}
	if (c->in.len == 0)
		str_free(&c->in);
	enter(c, IDLE);
	/* The next request may be there already; it comes before the end of the input. */
	if (c->in.len > 0) {
		loop_set_events(c->src, 0);
		c->step = loop_defer(c->h->loop, on_step, c);
	}
}

/* False when the connection was freed. */
static bool flush(struct conn *c)
{
	while (c->out.len > 0) {
		ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			conn_free(c);
			return false;
		}
		str_drop(&c->out, (size_t)n);
	}
	str_free(&c->out);
	if (c->phase == WRITING)
		written(c);
	return true;
}

static const char *words_of(int status)
{
	static const struct {
		int status;
		const char *words;
	} all[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 413, "Content Too Large" },
		{ 417, "Expectation Failed" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].status == status)
			return all[i].words;
	return status < 500 ? "Refused" : "Error";
}

static void answer(struct conn *c, int status, const char *type, struct str *body, bool head_only)
{
	size_t len = body ? body->len : 0;

	str_printf(&c->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", status,
		   words_of(status), type, len);
	str_printf(&c->out, "%s\r\n", c->close ? "Connection: close\r\n" : "");
	if (len > 0 && !head_only)
		str_add(&c->out, body->data, len);
	enter(c, WRITING);
	flush(c);
}

static void refuse(struct conn *c, int status, const struct err *err)
{
	auto_str struct str body = STR_INIT;

	str_printf(&body, "%s\n", err_msg(err));
	http_asked_free(&c->asked);
	c->close = true;
	answer(c, status, "text/plain; charset=utf-8", &body, false);
}

void httpd_reply(struct httpd_call *call, int status, const char *type, struct str *body)
{
	struct conn *c = call->conn;

	if (c) {
		c->call = NULL;
		answer(c, status, type, body, !strcmp(call->asked.method, "HEAD"));
	}
	if (body)
		str_free(body);
	http_asked_free(&call->asked);
	free(call);
}

void httpd_fail(struct httpd_call *call, int status, const char *fmt, ...)
{
	auto_str struct str body = STR_INIT;
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_printf(&body, "%s\n", text);
	httpd_reply(call, status, "text/plain; charset=utf-8", &body);
}

/* ---- reading ---------------------------------------------------------------------- */

/* As http_take_body(), but each chunk is taken as soon as it is there. */
static int take_body(struct conn *c, struct http_input *in, struct err *err)
{
	struct http_asked *a = &c->asked;
	bool last = false;
	int r = 1;

	if (!a->framing.chunked)
		return http_take_body(in, &a->framing, &a->body, err);
	while (r > 0 && !last)
		r = http_take_chunk(in, &a->body, &last, err);
	return r;
}

static int take_request(struct conn *c, int *status, struct err *err)
{
	struct http_input in = {
		.p = str_text(&c->in), .n = c->in.len, .what = "request", .max = c->h->opt.body_max
	};
	int r = 1;

	if (!c->asked.method) {
		r = http_asked_head(&in, &c->asked, status, err);
		if (r > 0 && c->asked.expects &&
		    (c->asked.framing.chunked || c->asked.framing.length > in.n))
			str_puts(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	}
	if (r > 0) {
		r = take_body(c, &in, err);
		*status = r == -EMSGSIZE ? 413 : 400;
	}
	str_drop(&c->in, c->in.len - in.n);
	return r;
}

static void hand_over(struct conn *c)
{
	struct httpd_call *call = xcalloc(1, sizeof(*call));

	call->conn = c;
	call->asked = c->asked;
	c->asked = (struct http_asked){ 0 };
	c->call = call;
	c->close = call->asked.close;
	enter(c, ANSWERING);
	c->h->opt.handler(call, &call->asked, c->h->opt.arg);
}

/* Whether there is a request in what has come. */
static void look(struct conn *c)
{
	struct err err = ERR_INIT;
	int status, r = take_request(c, &status, &err);

	if (r < 0) {
		refuse(c, status, &err);
		return;
	}
	if (c->out.len > 0 && !flush(c)) /* 100 Continue */
		return;
	if (r > 0)
		hand_over(c);
	else if (c->phase == IDLE)
		enter(c, READING);
}

static void on_input(struct conn *c)
{
	char buf[PIECE];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_free(c);
		return;
	}
	if (c->phase == LINGERING)
		return;
	str_add(&c->in, buf, (size_t)n);
	look(c);
}

static void on_conn(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct conn *c = arg;

	(void)src;
	(void)fd;
	if (c->phase == WRITING && (events & EPOLLOUT))
		flush(c);
	else if (c->phase == IDLE || c->phase == READING || c->phase == LINGERING)
		on_input(c);
	else if (events & (EPOLLHUP | EPOLLERR))
		conn_free(c);
	else
		loop_set_events(c->src, 0); /* shut down by half, it may still hear the answer */
}

/* ---- connections ------------------------------------------------------------------- */

int httpd_serve(struct httpd *h, int fd)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	int r = fd_set_nonblock(fd, true);

	c->h = h;
	c->fd = fd;
	list_init(&c->link);
	c->src = r < 0 ? NULL : loop_add_fd(h->loop, fd, EPOLLIN, on_conn, c);
	if (!c->src) {
		r = r < 0 ? r : -errno;
		close(fd);
		free(c);
		return r;
	}
	h->n++;
	enter(c, IDLE);
	return 0;
}

/*
 * Make room: the one goes that was idle for longest, else the one whose request is the longest
 * on its way, which is how others would be kept out. Who waits for an answer stays.
 */
static bool drop_one(struct httpd *h)
{
	struct conn *reading = NULL;
	struct list *it;

	list_for_each(it, &h->conns) {
		struct conn *c = container_of(it, struct conn, link);

		if (c->phase == IDLE || c->phase == LINGERING) {
			conn_free(c);
			return true;
		}
		if (c->phase == READING && !reading)
			reading = c;
	}
	if (reading)
		conn_free(reading);
	return reading;
}

static void on_breather(void *arg)
{
	struct httpd *h = arg;

	h->breather = NULL;
	accept_on(h, true);
}

static void on_listener(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct httpd *h = arg;
	int r, conn;

	(void)src;
	(void)events;
	if (h->n >= h->opt.connections && !drop_one(h)) {
		accept_on(h, false); /* until one of them ends */
		return;
	}
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	r = conn < 0 ? -errno : httpd_serve(h, conn);
	if (r == 0 || r == -EAGAIN || r == -EINTR || r == -ECONNABORTED)
		return;
	/* Without descriptors, or memory: not at once again. */
	log_warn("cannot take a connection: %s", strerror(-r));
	accept_on(h, false);
	if (!h->breather)
		h->breather = loop_add_timer(h->loop, BREATHER_MS, on_breather, h);
}

struct httpd *httpd_new(struct loop *loop, const struct httpd_options *opt)
{
	struct httpd *h = xcalloc(1, sizeof(*h));

	h->loop = loop;
	h->opt = *opt;
	h->fd = -1;
	list_init(&h->conns);
	return h;
}

int httpd_listen(struct httpd *h, int fd)
{
	int r = fd_set_nonblock(fd, true);

	h->src = r < 0 ? NULL : loop_add_fd(h->loop, fd, EPOLLIN, on_listener, h);
	if (h->src) {
		h->fd = fd;
		return 0;
	}
	r = r < 0 ? r : -errno;
	close(fd);
	return r;
}

size_t httpd_connections(const struct httpd *h)
{
	return h->n;
}

void httpd_free(struct httpd *h)
{
	if (!h)
		return;
	loop_remove(&h->src);
	loop_remove(&h->breather);
	close_fd(&h->fd);
	while (!list_empty(&h->conns))
		conn_free(container_of(h->conns.next, struct conn, link));
	free(h);
}
