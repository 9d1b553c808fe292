/* SPDX-License-Identifier: Apache-2.0 */
/* A request of HTTP/1.1 (RFC 9112, 9110) as bytes: pure. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "http/message.h"

/* Parameters behind the question mark. */
#define HTTP_QUERY_MAX 32

struct http_asked {
	char *method;	   /* "GET" */
	char *path;	   /* without its query, decoded: "/metrics" */
	struct strv query; /* name, value, name, value …, decoded */
	struct str accept; /* the values of Accept, with commas between them */
	struct str body;   /* http_asked_head() leaves it empty */
	bool close;	   /* no further one is to come on this connection */
	bool expects;	   /* it waits for "100 Continue" before it sends its body */
	struct http_framing framing;
};

/*
 * Take the head of a request from @in. 1: *@asked is filled, the caller frees it with
 * http_asked_free(); 0: more is needed; -errno and @err, with *@status of what is to be
 * answered: 400, 413, 417, 431 or 505. *@asked is valid in each case.
 */
int http_asked_head(struct http_input *in, struct http_asked *asked, int *status, struct err *err);

/* It may be zeroed, and is afterwards. */
void http_asked_free(struct http_asked *asked);

/* The first value of parameter @name; NULL: there is none. */
const char *http_asked_query(const struct http_asked *asked, const char *name);

#endif
