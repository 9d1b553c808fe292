/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What requests and answers of HTTP/1.1 have in common (RFC 9112): lines, fields and the
 * body's length. Pure. Who sends them is not believed: everything has a limit, and what
 * could be read in two ways is refused.
 */
#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Bytes of the first line and the fields together. */
#define HTTP_HEAD_MAX (16 * 1024)

/* What is left to be read. */
struct http_input {
	const char *p;
	size_t n;
	bool end;	  /* nothing more will come */
	const char *what; /* for errors: "answer", "request" */
	size_t max;	  /* bytes of a body */
};

/* How the body's end is found. */
struct http_framing {
	bool chunked, sized;
	uint64_t length;
};

/* The functions below return 1 with what they took, 0 when more is needed, or -errno and @err. */

/* -EPROTO: "the answer is not understood: @what". */
int http_broken(const struct http_input *in, struct err *err, const char *what);

/* A line without its end; its text stays where it is. */
int http_take_line(struct http_input *in, const char **line, size_t *len, struct err *err);

/* One of the fields. 0; -errno and @err refuse the message. */
typedef int (*http_field_fn)(const char *name, size_t name_len, const char *value, size_t len,
			     void *arg, struct err *err);

/*
 * The fields with the empty line behind them. @f is what they say of the body; @fn (NULL:
 * nobody) sees all others. @begun: where the message began, whose head is limited.
 */
int http_take_fields(struct http_input *in, const char *begun, struct http_framing *f,
		     http_field_fn fn, void *arg, struct err *err);

/* One chunk, appended to @body, which is to have no more than in->max; *@last: it was the last. */
int http_take_chunk(struct http_input *in, struct str *body, bool *last, struct err *err);

/* The whole body that @f describes, which is chunked or sized. */
int http_take_body(struct http_input *in, const struct http_framing *f, struct str *body,
		   struct err *err);

/* Whether @text is @word, in whatever case. */
bool http_is_word(const char *text, size_t len, const char *word);

#endif
