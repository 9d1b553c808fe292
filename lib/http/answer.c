/* SPDX-License-Identifier: Apache-2.0 */
#include "http/answer.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

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

/* Status line and fields to the empty line behind them. */
static int take_head(struct http_input *in, int *status, struct http_framing *f, struct err *err)
{
	const char *begun = in->p, *line;
	size_t len;
	int r = http_take_line(in, &line, &len, err);

	if (r <= 0)
		return r;
	if (parse_status(line, len, status) < 0)
		return http_broken(in, err, "it does not begin with a status of HTTP");
	return http_take_fields(in, begun, f, NULL, NULL, err);
}

static int take_body(struct http_input *in, int status, const struct http_framing *f,
		     struct str *body, struct err *err)
{
	if (status == 204 || status == 304)
		return 1;
	if (f->chunked || f->sized)
		return http_take_body(in, f, body, err);
	/* All that comes before the end of the connection. */
	if (!in->end)
		return 0;
	str_add(body, in->p, in->n);
	return 1;
}

int http_answer_parse(const struct str *bytes, bool end, struct http_answer *answer,
		      struct err *err)
{
	struct http_input in = { .p = str_text(bytes),
				 .n = bytes->len,
				 .end = end,
				 .what = "answer",
				 .max = HTTP_ANSWER_MAX };
	struct http_framing f;
	int r;

	*answer = (struct http_answer){ 0 };
	do
		r = take_head(&in, &answer->status, &f, err);
	while (r > 0 && answer->status < 200);
	if (r > 0)
		r = take_body(&in, answer->status, &f, &answer->body, err);
	if (r == 0 && bytes->len > HTTP_ANSWER_MAX)
		r = err_set(err, EMSGSIZE, "the answer has more than %d bytes", HTTP_ANSWER_MAX);
	if (r <= 0)
		str_free(&answer->body);
	return r;
}
