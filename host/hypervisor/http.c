/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/str.h"
#include "http/answer.h"

/* How much of a peer's own words an error carries. */
#define WORDS_MAX 400

struct ask {
	struct list link;
	char *method, *path;
	struct str out; /* what of it is still to be sent */
	int fds[FD_PASS_MAX];
	size_t n_fds; /* 0 once they have gone */
	int64_t limit_ms;
	bool wait;
	http_done done;
	void *arg;
};

struct http {
	struct loop *loop;
	char *path;
	struct list asks; /* the first is worked on */
	int fd;
	struct loop_source *src, *limit, *step;
	struct str in;
	bool over;     /* http_fail() */
	unsigned busy; /* callbacks that run, one within the other: http_free() only marks */
	bool dead;
	struct err why; /* of `over` */
};

static void begin(void *arg);

static struct ask *first(struct http *h)
{
	return container_of(h->asks.next, struct ask, link);
}

static void ask_free(struct ask *a)
{
	list_del(&a->link);
	for (size_t i = 0; i < a->n_fds; i++)
		close(a->fds[i]);
	str_free(&a->out);
	free(a->method);
	free(a->path);
	free(a);
}

static void hang_up(struct http *h)
{
	loop_remove(&h->src);
	loop_remove(&h->limit);
	loop_remove(&h->step);
	close_fd(&h->fd);
	str_free(&h->in);
}

static void release(struct http *h)
{
	free(h->path);
	free(h);
}

/* Begin with the first that waits. */
static void next(struct http *h)
{
	if (!h->step && !h->src && !list_empty(&h->asks))
		h->step = loop_defer(h->loop, begin, h);
}

/* The first one is over. False when the owner freed us meanwhile. */
static bool finish(struct http *h, const struct err *err, int status, struct json_object *answer)
{
	struct ask *a = first(h);
	struct err why = ERR_INIT;
	http_done done = a->done;
	void *arg = a->arg;

	hang_up(h);
	if (err) {
		why = *err;
		err_wrap(&why, "%s %s", a->method, a->path);
	}
	ask_free(a);
	h->busy++;
	if (done)
		done(err ? &why : NULL, status, answer, arg);
	h->busy--;
	if (h->dead) {
		if (!h->busy)
			release(h);
		return false;
	}
	next(h);
	return true;
}

static void fail(struct http *h, const struct err *err)
{
	finish(h, err, 0, NULL);
}

/* What a peer says for itself, without what could do harm in a log. */
static void add_words(const char *text, struct str *out)
{
	for (; text && *text && out->len < WORDS_MAX; text++) {
		unsigned char c = (unsigned char)*text;

		str_putc(out, c < ' ' || c > '~' ? ' ' : (char)c);
	}
}

/*
 * Firecracker's errors are {"fault_message": TEXT}, Cloud Hypervisor's a list of texts from
 * the outermost to the innermost, or text alone.
 */
static void describe(struct json_object *body, const char *text, struct str *out)
{
	struct json_object *words;

	if (json_object_is_type(body, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(body); i++) {
			words = json_object_array_get_idx(body, i);
			if (i > 0)
				str_puts(out, ": ");
			add_words(json_object_get_string(words), out);
		}
	} else if (json_object_object_get_ex(body, "fault_message", &words)) {
		add_words(json_object_get_string(words), out);
	} else {
		add_words(text, out);
	}
}

static struct json_object *parse_json(const struct str *body)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = json_tokener_parse_ex(tok, str_text(body), (int)body->len);

	if (json_tokener_get_error(tok) != json_tokener_success) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tok);
	return o;
}

static void answered(struct http *h, const struct http_answer *answer)
{
	struct json_object *body = answer->body.len ? parse_json(&answer->body) : NULL;
	auto_str struct str words = STR_INIT;
	struct err err = ERR_INIT;

	if (answer->status >= 300) {
		describe(body, str_text(&answer->body), &words);
		err_set(&err, EIO, "status %d%s%s", answer->status, words.len ? ": " : "",
			str_text(&words));
	} else if (answer->body.len && !body) {
		add_words(str_text(&answer->body), &words);
		err_set(&err, EPROTO, "the answer is no JSON: \"%.60s\"", str_text(&words));
	}
	finish(h, err.code ? &err : NULL, answer->status, err.code ? NULL : body);
	json_object_put(body);
}

/* 0 or -errno; what does not fit now waits for EPOLLOUT. */
static int flush(struct http *h)
{
	struct ask *a = first(h);

	while (a->out.len > 0) {
		ssize_t n = fd_send(h->fd, a->out.data, a->out.len, a->fds, a->n_fds);

		if (n == -EAGAIN)
			break;
		if (n < 0)
			return (int)n;
		str_drop(&a->out, (size_t)n);
		for (size_t i = 0; i < a->n_fds; i++)
			close(a->fds[i]);
		a->n_fds = 0;
	}
	if (h->src)
		loop_set_events(h->src, a->out.len > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return 0;
}

static void on_socket(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct http_answer answer = { 0 };
	struct http *h = arg;
	struct err err = ERR_INIT;
	char buf[16384];
	ssize_t n;
	int r;

	(void)src;
	/* A failure to send shows as the end of the stream as well. */
	if (events & EPOLLOUT)
		flush(h);
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		str_add(&h->in, buf, (size_t)n);
	if (n <= 0 && h->in.len == 0) {
		err_set(&err, EPIPE, "the connection was closed without an answer");
		fail(h, &err);
		return;
	}
	r = http_answer_parse(&h->in, n <= 0, &answer, &err);
	if (r > 0)
		answered(h, &answer);
	else if (r < 0)
		fail(h, &err);
	str_free(&answer.body);
}

static void on_limit(void *arg)
{
	struct http *h = arg;
	struct ask *a = first(h);
	struct err err = ERR_INIT;

	h->limit = NULL;
	if (h->fd < 0)
		err_set(&err, ETIMEDOUT, "nobody listens on %s after %lld ms", h->path,
			(long long)a->limit_ms);
	else
		err_set(&err, ETIMEDOUT, "no %sanswer within %lld ms", h->in.len ? "whole " : "",
			(long long)a->limit_ms);
	fail(h, &err);
}

/* Nobody listens yet, or is busy with others. */
static bool not_yet(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -EAGAIN;
}

static void begin(void *arg)
{
	struct http *h = arg;
	struct ask *a = first(h);
	struct err err = ERR_INIT;
	int r = 0;

	h->step = NULL;
	if (!h->limit)
		h->limit = loop_add_timer(h->loop, a->limit_ms, on_limit, h);
	if (h->over) {
		fail(h, &h->why);
		return;
	}
	h->fd = unix_connect(h->path, true, &err);
	if (h->fd < 0 && (a->wait || h->fd == -EAGAIN) && not_yet(h->fd)) {
		h->fd = -1;
		h->step = loop_add_timer(h->loop, HTTP_RETRY_MS, begin, h);
		return;
	}
	if (h->fd >= 0) {
		h->src = loop_add_fd(h->loop, h->fd, EPOLLIN, on_socket, h);
		r = h->src ? flush(h) : err_sys(&err, errno, "epoll");
		/* An answer may be there all the same, and says more. */
		if (r == -EPIPE || r == -ECONNRESET)
			r = 0;
	} else {
		r = h->fd;
		h->fd = -1;
	}
	if (r < 0) {
		if (!err.code)
			err_sys(&err, r, "send");
		fail(h, &err);
	}
}

struct http *http_new(struct loop *loop, const char *path)
{
	struct http *h = xcalloc(1, sizeof(*h));

	h->loop = loop;
	h->path = xstrdup(path);
	h->fd = -1;
	list_init(&h->asks);
	return h;
}

static void write_request(const struct http_request *r, struct str *out)
{
	const char *body = NULL;

	str_printf(out, "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n",
		   r->method, r->path);
	if (r->body) {
		body = json_object_to_json_string_ext(
			r->body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
		str_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			   strlen(body));
	}
	str_printf(out, "\r\n%s", body ? body : "");
}

void http_ask(struct http *h, const struct http_request *request, http_done done, void *arg)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	a->method = xstrdup(request->method);
	a->path = xstrdup(request->path);
	a->limit_ms = request->limit_ms;
	a->wait = request->wait;
	a->done = done;
	a->arg = arg;
	write_request(request, &a->out);
	json_object_put(request->body);
	/* One that cannot be duplicated is missed by the peer, which says so. */
	for (size_t i = 0; i < request->n_fds && i < FD_PASS_MAX; i++) {
		int fd = fcntl(request->fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd >= 0)
			a->fds[a->n_fds++] = fd;
	}
	list_add_tail(&h->asks, &a->link);
	if (!h->busy)
		next(h);
}

void http_fail(struct http *h, const struct err *why)
{
	if (!h || h->over)
		return;
	h->over = true;
	h->why = *why;
	if (!h->why.code)
		err_set(&h->why, EPIPE, "the program has ended");
	while (!list_empty(&h->asks) && finish(h, &h->why, 0, NULL))
		;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	hang_up(h);
	while (!list_empty(&h->asks))
		ask_free(first(h));
	h->dead = true;
	if (!h->busy)
		release(h);
}
