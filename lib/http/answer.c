/* SPDX-License-Identifier: Apache-2.0 */
#include "http/answer.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

/* What is left to be read. */
struct input {
	const char *p;
	size_t n;
	bool end;
};

/* How the body's end is found. */
struct framing {
	bool chunked, sized;
	uint64_t length;
};

static int broken(struct err *err, const char *what)
{
	return err_set(err, EPROTO, "the answer is not understood: %s", what);
}

/* When there is not enough: wait, unless nothing more will come. */
static int need_more(const struct input *in, struct err *err)
{
	return in->end ? err_set(err, EPROTO, "the connection ended amidst the answer") : 0;
}

/* Takes a line without its end. 1; 0: it is not complete; -EPROTO. */
static int take_line(struct input *in, const char **line, size_t *len, struct err *err)
{
	const char *nl = memchr(in->p, '\n', in->n);

	if (!nl)
		return in->n > HTTP_HEAD_MAX ? broken(err, "a line without end") :
					       need_more(in, err);
	*line = in->p;
	*len = (size_t)(nl - in->p);
	if (*len > 0 && (*line)[*len - 1] == '\r')
		--*len;
	in->n -= (size_t)(nl + 1 - in->p);
	in->p = nl + 1;
	if (memchr(*line, '\0', *len))
		return broken(err, "a NUL in a line");
	return 1;
}

/* "HTTP/1.1 204 No Content"; the words may be missing. */
static int parse_status(const char *line, size_t len, int *status)
{
	static const char version[] = "HTTP/1.";
	const size_t v = sizeof(version) - 1;

	if (len < v + 5 || memcmp(line, version, v) != 0 || !isdigit((unsigned char)line[v]) ||
	    line[v + 1] != ' ')
		return -EPROTO;
	*status = 0;
	for (size_t i = v + 2; i < v + 5; i++) {
		if (!isdigit((unsigned char)line[i]))
			return -EPROTO;
		*status = *status * 10 + (line[i] - '0');
	}
	if (len > v + 5 && line[v + 5] != ' ')
		return -EPROTO;
	return *status >= 100 && *status <= 599 ? 0 : -EPROTO;
}

/* A number in @base that fills @text and is none too large for an answer's length. */
static int parse_size(const char *text, size_t len, unsigned base, uint64_t *out)
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
		if (*out > HTTP_ANSWER_MAX)
			return -EMSGSIZE;
	}
	return 0;
}

static int too_large(struct err *err)
{
	return err_set(err, EMSGSIZE, "the answer has more than %d bytes", HTTP_ANSWER_MAX);
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(text, word, len);
}

/* "Name: value", blanks around the value being of no account. */
static int parse_field(const char *line, size_t len, struct framing *f, struct err *err)
{
	const char *colon = memchr(line, ':', len), *value;
	size_t name, n;
	uint64_t length;
	int r;

	if (!colon || colon == line)
		return broken(err, "a field without a name");
	name = (size_t)(colon - line);
	value = colon + 1;
	n = len - name - 1;
	while (n > 0 && (*value == ' ' || *value == '\t'))
		value++, n--;
	while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	if (is_word(line, name, "transfer-encoding")) {
		f->chunked = is_word(value, n, "chunked");
		return f->chunked ? 0 : broken(err, "a transfer encoding other than chunked");
	}
	if (!is_word(line, name, "content-length"))
		return 0;
	r = parse_size(value, n, 10, &length);
	if (r == -EMSGSIZE)
		return too_large(err);
	if (r < 0 || (f->sized && f->length != length))
		return broken(err, "its length");
	f->sized = true;
	f->length = length;
	return 0;
}

/* Status line and fields to the empty line behind them. */
static int take_head(struct input *in, int *status, struct framing *f, struct err *err)
{
	const char *begin = in->p, *line;
	size_t len;
	int r = take_line(in, &line, &len, err);

	*f = (struct framing){ 0 };
	if (r <= 0)
		return r;
	if (parse_status(line, len, status) < 0)
		return broken(err, "it does not begin with a status of HTTP");
	for (;;) {
		if (in->p - begin > HTTP_HEAD_MAX)
			return broken(err, "too many fields");
		r = take_line(in, &line, &len, err);
		if (r <= 0)
			return r;
		if (len == 0)
			break;
		r = parse_field(line, len, f, err);
		if (r < 0)
			return r;
	}
	return f->chunked && f->sized ? broken(err, "both chunks and a length") : 1;
}

/* Chunks to the empty one, with the fields that may follow that. */
static int take_chunks(struct input *in, struct str *body, struct err *err)
{
	const char *line;
	uint64_t size;
	size_t len;
	int r;

	for (;;) {
		r = take_line(in, &line, &len, err);
		if (r <= 0)
			return r;
		/* Behind a semicolon are extensions, of which none is known here. */
		r = parse_size(line, strcspn(line, "; \r\n"), 16, &size);
		if (r == -EMSGSIZE)
			return too_large(err);
		if (r < 0)
			return broken(err, "the size of a chunk");
		if (size == 0)
			break;
		if (in->n < size + 2)
			return need_more(in, err);
		str_add(body, in->p, size);
		in->p += size;
		in->n -= size;
		r = take_line(in, &line, &len, err);
		if (r <= 0)
			return r;
		if (len != 0)
			return broken(err, "the end of a chunk");
	}
	do
		r = take_line(in, &line, &len, err);
	while (r > 0 && len > 0);
	return r;
}

static int take_body(struct input *in, int status, const struct framing *f, struct str *body,
		     struct err *err)
{
	if (status == 204 || status == 304)
		return 1;
	if (f->chunked)
		return take_chunks(in, body, err);
	if (f->sized) {
		if (in->n < f->length)
			return need_more(in, err);
		str_add(body, in->p, f->length);
		return 1;
	}
	/* All that comes before the end of the connection. */
	if (!in->end)
		return 0;
	str_add(body, in->p, in->n);
	return 1;
}

int http_answer_parse(const struct str *bytes, bool end, struct http_answer *answer,
		      struct err *err)
{
	struct input in = { .p = str_text(bytes), .n = bytes->len, .end = end };
	struct framing f;
	int r;

	*answer = (struct http_answer){ 0 };
	do
		r = take_head(&in, &answer->status, &f, err);
	while (r > 0 && answer->status < 200);
	if (r > 0)
		r = take_body(&in, answer->status, &f, &answer->body, err);
	if (r == 0 && bytes->len > HTTP_ANSWER_MAX)
		r = too_large(err);
	if (r <= 0)
		str_free(&answer->body);
	return r;
}
