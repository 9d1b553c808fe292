/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small server of HTTP/1.1 on a loop, for programs that look after something else: it
 * never blocks, and whoever talks to it can hold no more than a bounded piece of memory for
 * a bounded time. Connections are kept alive, requests are answered one after the other.
 */
#ifndef HTTP_HTTPD_H
#define HTTP_HTTPD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "http/request.h"

/* So long may a request take from its first byte to its last, and its answer to be taken. */
#define HTTPD_TALK_MS 20000

/* So long is a connection kept on which nothing is asked. */
#define HTTPD_IDLE_MS 60000

/* So long is a refused one read from, so that the refusal is not lost. */
#define HTTPD_LINGER_MS 1000

struct httpd;
struct httpd_call; /* one request waiting for its answer */

/*
 * @asked is valid until the call is answered, which is at once or later, exactly once, by
 * httpd_reply() or httpd_fail(). They release @call, which lives until then even if who asked
 * has gone or the server was freed: then the answer is dropped. Who takes time has a limit
 * of its own; the server has none for that.
 */
typedef void (*httpd_handler)(struct httpd_call *call, const struct http_asked *asked, void *arg);

struct httpd_options {
	httpd_handler handler;
	void *arg;
	size_t body_max; /* bytes of a request's body; more is answered with 413 */
	/* At once, ≥ 1: for a further one an idle one goes, or one that is slow to ask; where all
	 * wait for their answers, it waits. */
	size_t connections;
};

/* Never NULL. */
struct httpd *httpd_new(struct loop *loop, const struct httpd_options *opt);

/* Accept connections on the listening stream socket @fd (taken over). 0 or -errno. */
int httpd_listen(struct httpd *h, int fd);

/* Serve the connected stream socket @fd (taken over, made non-blocking). 0 or -errno. */
int httpd_serve(struct httpd *h, int fd);

/* Close all. From a handler, too. NULL is allowed. */
void httpd_free(struct httpd *h);

/* The connections that are open. */
size_t httpd_connections(const struct httpd *h);

/* Answer with @body (emptied; NULL: none) of @type ("text/plain"). */
void httpd_reply(struct httpd_call *call, int status, const char *type, struct str *body);

/* Answer with a sentence. */
void httpd_fail(struct httpd_call *call, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
