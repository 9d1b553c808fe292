/* SPDX-License-Identifier: Apache-2.0 */
#include "http/message.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

int http_broken(const struct http_input *in, struct err *err, const char *what)
{
	return err_set(err, EPROTO, "the %s is not understood: %s", in->what, what);
}

/* When there is not enough: wait, unless nothing more will come. */
static int need_more(const struct http_input *in, struct err *err)
{
	return in->end ? err_set(err, EPROTO, "the connection ended amidst the %s", in->what) : 0;
}

int http_take_line(struct http_input *in, const char **line, size_t *len, struct err *err)
{
	const char *nl = memchr(in->p, '\n', in->n);

	if (!nl)
		return in->n > HTTP_HEAD_MAX ? http_broken(in, err, "a line without end") :
					       need_more(in, err);
	*line = in->p;
	*len = (size_t)(nl - in->p);
	if (*len > 0 && (*line)[*len - 1] == '\r')
		--*len;
	in->n -= (size_t)(nl + 1 - in->p);
	in->p = nl + 1;
	if (memchr(*line, '\0', *len))
		return http_broken(in, err, "a NUL in a line");
	return 1;
}

/* A number in @base that fills @text and is not above @max. */
static int parse_size(const char *text, size_t len, unsigned base, size_t max, uint64_t *out)
{
	*out = 0;
	if (len == 0)
		return -EPROTO;
	for (size_t i = 0; i < len; i++) {
		int c = tolower((unsigned char)text[i]);
		unsigned digit = isdigit(c)  ? (unsigned)(c - '0') :
				 isxdigit(c) ? (unsigned)(c - 'a') + 10 :
					       base;

		if (digit >= base)
			return -EPROTO;
		*out = *out * base + digit;
		if (*out > max)
			return -EMSGSIZE;
	}
	return 0;
}

static int too_large(const struct http_input *in, struct err *err)
{
	return err_set(err, EMSGSIZE, "the %s has more than %zu bytes", in->what, in->max);
}

bool http_is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(text, word, len);
}

static int parse_length(const struct http_input *in, const char *value, size_t n,
			struct http_framing *f, struct err *err)
{
	uint64_t length;
	int r = parse_size(value, n, 10, in->max, &length);

	if (r == -EMSGSIZE)
		return too_large(in, err);
	if (r < 0 || (f->sized && f->length != length))
		return http_broken(in, err, "its length");
	f->sized = true;
	f->length = length;
	return 0;
}

/* "Name: value", blanks around the value being of no account. */
static int parse_field(const struct http_input *in, const char *line, size_t len,
		       struct http_framing *f, http_field_fn fn, void *arg, struct err *err)
{
	const char *colon = memchr(line, ':', len), *value;
	size_t name, n;

	if (!colon || colon == line)
		return http_broken(in, err, "a field without a name");
	name = (size_t)(colon - line);
	/* A blank there would hide the field from others, or belongs to the one before. */
	if (memchr(line, ' ', name) || memchr(line, '\t', name))
		return http_broken(in, err, "a blank in a field's name");
	value = colon + 1;
	n = len - name - 1;
	while (n > 0 && (*value == ' ' || *value == '\t'))
		value++, n--;
	while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	if (http_is_word(line, name, "transfer-encoding")) {
		if (f->chunked || !http_is_word(value, n, "chunked"))
			return http_broken(in, err, "a transfer encoding other than chunked");
		f->chunked = true;
		return 0;
	}
	if (http_is_word(line, name, "content-length"))
		return parse_length(in, value, n, f, err);
	return fn ? fn(line, name, value, n, arg, err) : 0;
}

int http_take_fields(struct http_input *in, const char *begun, struct http_framing *f,
		     http_field_fn fn, void *arg, struct err *err)
{
	const char *line;
	size_t len;
	int r;

	*f = (struct http_framing){ 0 };
	for (;;) {
		if (in->p - begun > HTTP_HEAD_MAX)
			return http_broken(in, err, "too many fields");
		r = http_take_line(in, &line, &len, err);
		if (r <= 0)
			return r;
		if (len == 0)
			break;
		r = parse_field(in, line, len, f, fn, arg, err);
		if (r < 0)
			return r;
	}
	return f->chunked && f->sized ? http_broken(in, err, "both chunks and a length") : 1;
}

/* Behind the last chunk: fields, of which none is known here, and an empty line. */
static int take_trailer(struct http_input *in, struct err *err)
{
	const char *begun = in->p, *line;
	size_t len;
	int r;

	do {
		if (in->p - begun > HTTP_HEAD_MAX)
			return http_broken(in, err, "too many fields");
		r = http_take_line(in, &line, &len, err);
	} while (r > 0 && len > 0);
	return r;
}

int http_take_chunk(struct http_input *in, struct str *body, bool *last, struct err *err)
{
	struct http_input ahead = *in;
	const char *line, *data;
	uint64_t size;
	size_t len;
	int r = http_take_line(&ahead, &line, &len, err);

	if (r <= 0)
		return r;
	/* Behind a semicolon are extensions, of which none is known here. */
	r = parse_size(line, strcspn(line, "; \r\n"), 16, in->max - body->len, &size);
	if (r == -EMSGSIZE)
		return too_large(in, err);
	if (r < 0)
		return http_broken(in, err, "the size of a chunk");
	*last = size == 0;
	if (*last) {
		r = take_trailer(&ahead, err);
	} else {
		if (ahead.n < size + 2)
			return need_more(in, err);
		data = ahead.p;
		ahead.p += size;
		ahead.n -= size;
		r = http_take_line(&ahead, &line, &len, err);
		if (r > 0 && len != 0)
			r = http_broken(in, err, "the end of a chunk");
		if (r > 0)
			str_add(body, data, size);
	}
	if (r > 0)
		*in = ahead;
	return r;
}

int http_take_body(struct http_input *in, const struct http_framing *f, struct str *body,
		   struct err *err)
{
	bool last = false;
	int r = 1;

	while (f->chunked && r > 0 && !last)
		r = http_take_chunk(in, body, &last, err);
	if (f->chunked)
		return r;
	if (in->n < f->length)
		return need_more(in, err);
	str_add(body, in->p, f->length);
	in->p += f->length;
	in->n -= f->length;
	return 1;
}
