/* SPDX-License-Identifier: Apache-2.0 */
/* One question to a server of HTTP/1.1 on a unix socket: a GET, on a connection of its own. */
#ifndef HTTP_GET_H
#define HTTP_GET_H

#include "base/err.h"
#include "base/loop.h"
#include "http/answer.h"

struct http_get;

/*
 * @answer, of whatever status, or NULL and @err. Both are valid during the call, which comes
 * once, from the loop, within the limit.
 */
typedef void (*http_got)(const struct err *err, const struct http_answer *answer, void *arg);

/* Ask for @target ("/metrics?x=y", as it is) on the unix socket @socket. Never NULL. */
struct http_get *http_get(struct loop *loop, const char *socket, const char *target,
			  int64_t limit_ms, http_got got, void *arg);

/* Forget it, before its callback; *@get becomes NULL. NULL in it is allowed. */
void http_get_cancel(struct http_get **get);

#endif
