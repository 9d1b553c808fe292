/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define METHOD_MAX 16

/* What is known while the fields come by. */
struct reading {
	struct http_asked *asked;
	unsigned minor; /* of the version */
	unsigned hosts;
	bool keep_alive, odd_expectation;
};

/* ---- the request line ---------------------------------------------------------- */

static int hex(char c)
{
	int low = tolower((unsigned char)c);

	if (isdigit(low))
		return low - '0';
	return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* %XX, and in a query '+', become what they stand for; NUL has no place in a name. */
static int decode(const char *text, size_t len, bool query, char **out)
{
	auto_str struct str s = STR_INIT;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			if (i + 2 >= len || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				return -EPROTO;
			c = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
			i += 2;
			if (c == '\0')
				return -EPROTO;
		} else if (c == '+' && query) {
			c = ' ';
		} else if (c <= ' ' || c > '~') {
			return -EPROTO;
		}
		str_putc(&s, c);
	}
	*out = str_take(&s);
	return 0;
}

static int parse_query(const char *text, size_t len, struct strv *query)
{
	while (len > 0) {
		const char *amp = memchr(text, '&', len);
		size_t n = amp ? (size_t)(amp - text) : len;
		const char *equals = memchr(text, '=', n);
		size_t name = equals ? (size_t)(equals - text) : n;
		char *v;

		if (query->n >= (size_t)HTTP_QUERY_MAX * 2)
			return -EPROTO;
		if (decode(text, name, true, &v) < 0)
			return -EPROTO;
		strv_take(query, v);
		if (decode(text + name + (equals ? 1 : 0), n - name - (equals ? 1 : 0), true, &v) <
		    0)
			return -EPROTO;
		strv_take(query, v);
		text += n + (amp ? 1 : 0);
		len -= n + (amp ? 1 : 0);
	}
	return 0;
}

/* "/path?query", or with "http://host" before it, which is what proxies are sent. */
static int parse_target(const char *text, size_t len, struct http_asked *asked)
{
	static const char scheme[] = "http://";
	const size_t s = sizeof(scheme) - 1;
	const char *slash, *mark;
	size_t path;
	int r;

	if (len > s && !strncasecmp(text, scheme, s)) {
		slash = memchr(text + s, '/', len - s);
		if (!slash)
			return -EPROTO;
		len -= (size_t)(slash - text);
		text = slash;
	}
	if (len == 0 || text[0] != '/')
		return -EPROTO;
	mark = memchr(text, '?', len);
	path = mark ? (size_t)(mark - text) : len;
	r = decode(text, path, false, &asked->path);
	if (r == 0 && mark)
		r = parse_query(mark + 1, len - path - 1, &asked->query);
	return r;
}

/* "GET /path HTTP/1.1". *@status is changed when it is no plain 400. */
static int parse_line(const char *line, size_t len, struct reading *rd, int *status)
{
	static const char version[] = " HTTP/";
	const size_t v = sizeof(version) - 1;
	const char *blank = memchr(line, ' ', len);
	size_t method = blank ? (size_t)(blank - line) : 0;
	const char *end;

	if (method == 0 || method > METHOD_MAX || len < method + 1 + v + 3)
		return -EPROTO;
	for (size_t i = 0; i < method; i++)
		if (!isupper((unsigned char)line[i]))
			return -EPROTO;
	end = line + len - v - 3;
	if (end <= blank || memcmp(end, version, v) != 0 || end[v + 1] != '.' ||
	    !isdigit((unsigned char)end[v]) || !isdigit((unsigned char)end[v + 2]))
		return -EPROTO;
	if (end[v] != '1') {
		*status = 505;
		return -EPROTO;
	}
	rd->minor = (unsigned)(end[v + 2] - '0');
	rd->asked->method = xstrndup(line, method);
	return parse_target(blank + 1, (size_t)(end - blank) - 1, rd->asked);
}

/* ---- fields ---------------------------------------------------------------------- */

/* Whether @word is one of the words between commas. */
static bool has_word(const char *value, size_t len, const char *word)
{
	while (len > 0) {
		const char *comma = memchr(value, ',', len);
		size_t n = comma ? (size_t)(comma - value) : len, skip = n + (comma ? 1 : 0);
		const char *w = value;

		while (n > 0 && (*w == ' ' || *w == '\t'))
			w++, n--;
		while (n > 0 && (w[n - 1] == ' ' || w[n - 1] == '\t'))
			n--;
		if (http_is_word(w, n, word))
			return true;
		value += skip;
		len -= skip;
	}
	return false;
}

static int on_field(const char *name, size_t name_len, const char *value, size_t len, void *arg,
		    struct err *err)
{
	struct reading *rd = arg;
	struct http_asked *asked = rd->asked;

	(void)err;
	if (http_is_word(name, name_len, "host")) {
		rd->hosts++;
	} else if (http_is_word(name, name_len, "connection")) {
		asked->close |= has_word(value, len, "close");
		rd->keep_alive |= has_word(value, len, "keep-alive");
	} else if (http_is_word(name, name_len, "accept")) {
		str_puts(&asked->accept, asked->accept.len ? "," : "");
		str_add(&asked->accept, value, len);
	} else if (http_is_word(name, name_len, "expect")) {
		asked->expects = http_is_word(value, len, "100-continue");
		rd->odd_expectation |= !asked->expects;
	}
	return 0;
}

/* What the fields are to say together. 0, or the status of the refusal. */
static int judge(const struct http_input *in, struct reading *rd, struct err *err)
{
	struct http_asked *asked = rd->asked;

	if (rd->hosts > 1 || (rd->minor > 0 && rd->hosts == 0)) {
		http_broken(in, err, "it names no host, or several");
		return 400;
	}
	if (asked->framing.chunked && rd->minor == 0) {
		http_broken(in, err, "chunks in HTTP/1.0");
		return 400;
	}
	if (rd->odd_expectation) {
		err_set(err, EPROTO, "the request expects what is not known here");
		return 417;
	}
	if (rd->minor == 0) {
		asked->close |= !rd->keep_alive;
		asked->expects = false;
	}
	return 0;
}

static int take_head(struct http_input *in, struct reading *rd, int *status, struct err *err)
{
	const char *begun = in->p, *line;
	size_t len;
	int r = http_take_line(in, &line, &len, err);

	/* An empty line before it is what some send behind a body. */
	if (r > 0 && len == 0)
		r = http_take_line(in, &line, &len, err);
	if (r <= 0)
		return r;
	*status = 400;
	if (parse_line(line, len, rd, status) < 0)
		return *status == 505 ? http_broken(in, err, "its version is not HTTP/1") :
					http_broken(in, err, "its first line");
	r = http_take_fields(in, begun, &rd->asked->framing, on_field, rd, err);
	if (r <= 0)
		return r;
	*status = judge(in, rd, err);
	return *status ? -EPROTO : 1;
}

int http_asked_head(struct http_input *in, struct http_asked *asked, int *status, struct err *err)
{
	struct reading rd = { .asked = asked };
	struct http_input ahead = *in;
	int r;

	*asked = (struct http_asked){ 0 };
	*status = 400;
	r = take_head(&ahead, &rd, status, err);
	if (r > 0) {
		*in = ahead;
		return r;
	}
	http_asked_free(asked);
	if (r == -EMSGSIZE)
		*status = 413;
	else if (r < 0 && *status == 400 && in->n > HTTP_HEAD_MAX)
		*status = 431;
	return r;
}

void http_asked_free(struct http_asked *asked)
{
	free(asked->method);
	free(asked->path);
	strv_free(&asked->query);
	str_free(&asked->accept);
	str_free(&asked->body);
	*asked = (struct http_asked){ 0 };
}

const char *http_asked_query(const struct http_asked *asked, const char *name)
{
	for (size_t i = 0; i + 1 < asked->query.n; i += 2)
		if (!strcmp(asked->query.v[i], name))
			return asked->query.v[i + 1];
	return NULL;
}
