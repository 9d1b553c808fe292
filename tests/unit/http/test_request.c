/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of HTTP as bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "http/request.h"

#define HOST "Host: x\r\n"

static int parse(const char *text, size_t len, struct http_asked *a, int *status, struct err *err)
{
	struct http_input in = { .p = text, .n = len, .what = "request", .max = 1000 };

	return http_asked_head(&in, a, status, err);
}

/* "METHOD PATH name=value … close expects chunked length" */
static char *describe(const struct http_asked *a)
{
	struct str s = STR_INIT;

	str_printf(&s, "%s %s", a->method, a->path);
	for (size_t i = 0; i + 1 < a->query.n; i += 2)
		str_printf(&s, " %s=%s", a->query.v[i], a->query.v[i + 1]);
	str_puts(&s, a->close ? " close" : "");
	str_puts(&s, a->expects ? " expects" : "");
	str_puts(&s, a->framing.chunked ? " chunked" : "");
	if (a->framing.sized)
		str_printf(&s, " %llu", (unsigned long long)a->framing.length);
	return str_take(&s);
}

static void what_is_understood(void **state)
{
	static const char *const cases[][2] = {
		{ "GET / HTTP/1.1\r\n" HOST "\r\n", "GET /" },
		{ "\r\nGET /metrics HTTP/1.1\nhOST:x\n\n", "GET /metrics" },
		{ "GET /a?path=/var/lib%2fx+y&q&=z HTTP/1.1\r\n" HOST "\r\n",
		  "GET /a path=/var/lib/x y q= =z" },
		{ "GET /a%20b+c? HTTP/1.1\r\n" HOST "\r\n", "GET /a b+c" },
		{ "GET http://shim:80/agent-url?x=1 HTTP/1.1\r\n" HOST "\r\n",
		  "GET /agent-url x=1" },
		{ "GET / HTTP/1.0\r\n\r\n", "GET / close" },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET /" },
		{ "GET / HTTP/1.1\r\n" HOST "Connection: te , Close\r\n\r\n", "GET / close" },
		{ "PUT /p HTTP/1.1\r\n" HOST "Content-Length: 12\r\nExpect: 100-continue\r\n\r\n",
		  "PUT /p expects 12" },
		{ "PUT /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
		  "PUT /p chunked" },
		{ "GET / HTTP/1.9\r\n" HOST "\r\n", "GET /" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *got = NULL;
		struct err err = ERR_INIT;
		struct http_asked a;
		int status;

		if (parse(cases[i][0], strlen(cases[i][0]), &a, &status, &err) != 1)
			fail_msg("%s: %s", cases[i][0], err_msg(&err));
		got = describe(&a);
		assert_string_equal(got, cases[i][1]);
		http_asked_free(&a);
		/* Cut off anywhere it is not complete. */
		for (size_t n = 0; n < strlen(cases[i][0]); n++)
			assert_int_equal(parse(cases[i][0], n, &a, &status, &err), 0);
	}
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *why;
	} cases[] = {
		{ "hello\r\n", 400, "its first line" },
		{ "get / HTTP/1.1\r\n", 400, "its first line" },
		{ "GET  / HTTP/1.1\r\n", 400, "its first line" },
		{ "GET x HTTP/1.1\r\n", 400, "its first line" },
		{ "GET http://x HTTP/1.1\r\n", 400, "its first line" },
		{ "GET /a b HTTP/1.1\r\n", 400, "its first line" },
		{ "GET /%0 HTTP/1.1\r\n", 400, "its first line" },
		{ "GET /%zz HTTP/1.1\r\n", 400, "its first line" },
		{ "GET /%00 HTTP/1.1\r\n", 400, "its first line" },
		{ "GET /?%00 HTTP/1.1\r\n", 400, "its first line" },
		{ "GET /\x80 HTTP/1.1\r\n", 400, "its first line" },
		{ "GET / HTTP/1.1x\r\n", 400, "its first line" },
		{ "GET HTTP/1.1\r\n", 400, "its first line" },
		{ "ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\n", 400, "its first line" },
		{ "GET / HTTP/2.0\r\n", 505, "not HTTP/1" },
		{ "GET / HTTP/1.1\r\n\r\n", 400, "no host" },
		{ "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, "or several" },
		{ "GET / HTTP/1.1\r\n" HOST "A b: c\r\n\r\n", 400, "a blank in a field's name" },
		{ "GET / HTTP/1.1\r\n" HOST " folded: c\r\n\r\n", 400,
		  "a blank in a field's name" },
		{ "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400,
		  "its length" },
		{ "GET / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", 400, "its length" },
		{ "GET / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n", 413, "more than 1000" },
		{ "GET / HTTP/1.1\r\n" HOST
		  "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
		  400, "both chunks and a length" },
		{ "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 400,
		  "other than chunked" },
		{ "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
		  "chunks in HTTP/1.0" },
		{ "GET / HTTP/1.1\r\n" HOST "Expect: miracles\r\n\r\n", 417, "not known here" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		struct http_asked a;
		int status = 0;

		assert_true(parse(cases[i].text, strlen(cases[i].text), &a, &status, &err) < 0);
		if (status != cases[i].status || !strstr(err.msg, cases[i].why))
			fail_msg("%s: %d %s", cases[i].text, status, err.msg);
		assert_null(a.method);
	}
}

static void what_has_no_end(void **state)
{
	auto_str struct str in = STR_INIT;
	struct err err = ERR_INIT;
	struct http_asked a;
	int status;

	(void)state;
	while (in.len <= HTTP_HEAD_MAX)
		str_puts(&in, "GET /and/on/and/on");
	assert_true(parse(in.data, in.len, &a, &status, &err) < 0);
	assert_int_equal(status, 431);
	str_free(&in);
	str_puts(&in, "GET / HTTP/1.1\r\n");
	while (in.len <= HTTP_HEAD_MAX)
		str_puts(&in, "Field: value\r\n");
	assert_true(parse(in.data, in.len, &a, &status, &err) < 0);
	assert_int_equal(status, 431);
	str_free(&in);
	str_puts(&in, "GET /?a");
	for (int i = 0; i < HTTP_QUERY_MAX; i++)
		str_puts(&in, "&a");
	str_puts(&in, " HTTP/1.1\r\n" HOST "\r\n");
	assert_true(parse(in.data, in.len, &a, &status, &err) < 0);
	assert_int_equal(status, 400);
}

static void parameters_and_types(void **state)
{
	static const char text[] =
		"GET /?a=1&b=2&a=3 HTTP/1.1\r\n" HOST "Accept: text/html\r\naccept: */*\r\n\r\n";
	struct err err = ERR_INIT;
	struct http_asked a;
	int status;

	(void)state;
	assert_int_equal(parse(text, strlen(text), &a, &status, &err), 1);
	assert_string_equal(http_asked_query(&a, "a"), "1");
	assert_string_equal(http_asked_query(&a, "b"), "2");
	assert_null(http_asked_query(&a, "c"));
	assert_string_equal(str_text(&a.accept), "text/html,*/*");
	http_asked_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_understood),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(what_has_no_end),
		cmocka_unit_test(parameters_and_types),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
