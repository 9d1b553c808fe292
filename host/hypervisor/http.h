/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the HTTP/1.1 that monitors speak on a unix socket (Firecracker, Cloud
 * Hypervisor): JSON goes there and comes back, and descriptors can go with it. Requests are
 * sent one after the other, each on a connection of its own, so that none is spoiled by
 * what became of another. No wait is without a limit.
 */
#ifndef HOST_HYPERVISOR_HTTP_H
#define HOST_HYPERVISOR_HTTP_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"

/* How long to wait before the next attempt at a socket on which nobody listens yet. */
#define HTTP_RETRY_MS 3

struct http;

struct http_request {
	const char *method, *path; /* "PUT", "/vm.boot" */
	struct json_object *body;  /* NULL: none; taken over */
	const int *fds;		   /* go with it: duplicated, so the caller keeps its own */
	size_t n_fds;		   /* FD_PASS_MAX at most */
	int64_t limit_ms;	   /* from the moment that its turn has come */
	bool wait;		   /* try again for that long while nobody listens */
};

/*
 * How it went, once and from the loop. @err NULL: the status was 2xx, and @answer is its
 * JSON, borrowed, or NULL when it had none. Otherwise @err begins "METHOD PATH: "; @status
 * is what was answered (400 …) and @err has the peer's own words, or @status is 0 and
 * there was no answer. http_free() and http_ask() may be called from here.
 */
typedef void (*http_done)(const struct err *err, int status, struct json_object *answer, void *arg);

/* For the socket @path. Nothing is connected yet. */
struct http *http_new(struct loop *loop, const char *path);

/* Send @request when those before it are done. */
void http_ask(struct http *http, const struct http_request *request, http_done done, void *arg);

/* The peer has ended: all that wait fail with @why at once, and what is asked later, too. */
void http_fail(struct http *http, const struct err *why);

/* Release without any callback. NULL is allowed. */
void http_free(struct http *http);

#endif
