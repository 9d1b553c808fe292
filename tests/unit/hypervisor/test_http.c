/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of HTTP as bytes, and the client against a peer that answers from a script. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "host/hypervisor/http.h"
#include "http/answer.h"

#define NO_BODY "HTTP/1.1 204 \r\nServer: x\r\nConnection: keep-alive\r\n\r\n"

/* ---- answers as bytes ------------------------------------------------------------ */

static int parse(const char *text, size_t len, bool end, char *body, struct err *err)
{
	struct str in = { .data = (char *)(uintptr_t)text, .len = len };
	struct http_answer a;
	int r = http_answer_parse(&in, end, &a, err);

	snprintf(body, 64, "%d:%s", r > 0 ? a.status : 0, str_text(&a.body));
	str_free(&a.body);
	return r;
}

static void whole_answers(void **state)
{
	static const struct {
		const char *text, *want;
		bool end;
	} cases[] = {
		{ NO_BODY, "204:", false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "200:{}", false },
		{ "HTTP/1.0 404\r\ncontent-LENGTH:  3 \r\n\r\nabc", "404:abc", false },
		{ "HTTP/1.1 200 OK\nContent-Length: 1\n\na", "200:a", false },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		  "200:", false },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: z\r\n\r\n",
		  "200:abc0123456789", false },
		/* Without a length all that comes is the body. */
		{ "HTTP/1.1 500 Oh\r\n\r\nsorry", "500:sorry", true },
	};
	char body[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].text);
		struct err err = ERR_INIT;

		if (parse(cases[i].text, len, cases[i].end, body, &err) != 1)
			fail_msg("%s: %s", cases[i].text, err_msg(&err));
		assert_string_equal(body, cases[i].want);
		/* Cut off anywhere it is not complete, and at the end of the stream broken. */
		for (size_t n = 0; !cases[i].end && n < len; n++) {
			assert_int_equal(parse(cases[i].text, n, false, body, &err), 0);
			assert_int_equal(parse(cases[i].text, n, true, body, &err), -EPROTO);
		}
	}
}

static void broken_answers(void **state)
{
	static const struct {
		const char *text, *why;
		int code;
	} cases[] = {
		{ "hello\r\n", "does not begin with a status of HTTP", -EPROTO },
		{ "HTTP/2.0 200 OK\r\n", "does not begin with a status", -EPROTO },
		{ "HTTP/1.1 20 OK\r\n", "does not begin with a status", -EPROTO },
		{ "HTTP/1.1 2000 OK\r\n", "does not begin with a status", -EPROTO },
		{ "HTTP/1.1 099 OK\r\n", "does not begin with a status", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nnothing\r\n\r\n", "a field without a name", -EPROTO },
		{ "HTTP/1.1 200 OK\r\n: x\r\n\r\n", "a field without a name", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "its length", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\n", "its length", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", "its length", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "its length",
		  -EPROTO },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "more than", -EMSGSIZE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\n", "more than",
		  -EMSGSIZE },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "other than chunked",
		  -EPROTO },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
		  "both chunks and a length", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		  "the size of a chunk", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
		  "the end of a chunk", -EPROTO },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", "more than",
		  -EMSGSIZE },
	};
	char body[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(parse(cases[i].text, strlen(cases[i].text), false, body, &err),
				 cases[i].code);
		if (!strstr(err.msg, cases[i].why))
			fail_msg("%s: %s", cases[i].text, err.msg);
	}
}

static void endless_answers(void **state)
{
	auto_str struct str in = STR_INIT;
	struct http_answer a;
	struct err err = ERR_INIT;

	(void)state;
	while (in.len <= HTTP_HEAD_MAX)
		str_puts(&in, "HTTP/1.1 200 OK and on and on");
	assert_int_equal(http_answer_parse(&in, false, &a, &err), -EPROTO);
	str_free(&in);
	str_puts(&in, "HTTP/1.1 200 OK\r\n");
	while (in.len <= HTTP_HEAD_MAX)
		str_puts(&in, "Field: value\r\n");
	assert_int_equal(http_answer_parse(&in, false, &a, &err), -EPROTO);
	assert_non_null(strstr(err.msg, "too many fields"));
	str_free(&in);
	str_puts(&in, "HTTP/1.1 200 OK\r\n\r\n");
	while (in.len <= HTTP_ANSWER_MAX)
		str_puts(&in, "and on and on and on and on and on and on and on and on");
	assert_int_equal(http_answer_parse(&in, false, &a, &err), -EMSGSIZE);
}

/* ---- the client ------------------------------------------------------------------- */

#define MAX 4

struct fixture {
	char dir[64], *path;
	struct loop *loop;
	struct http *http;
	int listener, conn;
	struct loop_source *accept_src, *conn_src;
	const char *answers[MAX]; /* NULL: none, the connection stays */
	char requests[MAX][512];
	unsigned n_requests;
	int fds[MAX];
	size_t n_fds;
	bool slowly; /* byte by byte */
	/* What came of it. */
	unsigned n_done, stop_at;
	int status[MAX];
	struct err err[MAX];
	char answer[MAX][128];
	bool free_when_done, fail_when_done;
};

static void on_request(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct fixture *f = arg;
	const char *answer = f->answers[f->n_requests];
	char *request = f->requests[f->n_requests];
	size_t n = ARRAY_SIZE(f->fds);
	ssize_t len;

	(void)src;
	(void)events;
	len = fd_recv(fd, request, sizeof(f->requests[0]) - 1, f->fds, &n);
	f->n_fds += n;
	loop_remove(&f->conn_src);
	if (len <= 0)
		return;
	f->n_requests++;
	if (!answer)
		return;
	for (size_t i = 0; i < strlen(answer); i += f->slowly ? 1 : strlen(answer)) {
		assert_int_equal(fd_write_full(fd, answer + i, f->slowly ? 1 : strlen(answer)), 0);
		if (f->slowly)
			loop_step(f->loop, 0);
	}
	close_fd(&f->conn);
}

static void on_connection(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct fixture *f = arg;

	(void)src;
	(void)events;
	close_fd(&f->conn);
	f->conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(f->conn >= 0);
	f->conn_src = loop_add_fd(f->loop, f->conn, EPOLLIN, on_request, f);
}

static void serve(void *arg)
{
	struct fixture *f = arg;

	f->listener = unix_listen(f->path, 4, NULL);
	assert_true(f->listener >= 0);
	f->accept_src = loop_add_fd(f->loop, f->listener, EPOLLIN, on_connection, f);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/http-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = path_join(f->dir, "api.sock");
	f->loop = loop_new();
	f->listener = f->conn = -1;
	f->stop_at = 1;
	f->http = http_new(f->loop, f->path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_free(f->http);
	loop_free(f->loop);
	close_fd(&f->listener);
	close_fd(&f->conn);
	for (size_t i = 0; i < f->n_fds; i++)
		close(f->fds[i]);
	assert_int_equal(tree_remove(f->dir, NULL), 0);
	free(f->path);
	free(f);
	return 0;
}

static void on_done(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct fixture *f = arg;
	unsigned i = f->n_done++;
	const struct err gone = { -EPIPE, "it has ended" };

	f->status[i] = status;
	if (err)
		f->err[i] = *err;
	snprintf(f->answer[i], sizeof(f->answer[0]), "%s",
		 answer ? json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN) : "");
	if (f->fail_when_done)
		http_fail(f->http, &gone);
	if (f->free_when_done)
		http_free(take_ptr(f->http));
	if (f->n_done == f->stop_at)
		loop_stop(f->loop, 0);
}

static void on_too_long(void *arg)
{
	(void)arg;
	fail_msg("nothing came");
}

static void run(struct fixture *f)
{
	struct loop_source *limit = loop_add_timer(f->loop, 10000, on_too_long, f);

	loop_run(f->loop);
	loop_remove(&limit);
}

static void ask(struct fixture *f, const char *path, struct json_object *body)
{
	http_ask(f->http,
		 &(struct http_request){ .method = body ? "PUT" : "GET",
					 .path = path,
					 .body = body,
					 .limit_ms = 3000 },
		 on_done, f);
}

static void one_after_the_other(void **state)
{
	struct fixture *f = *state;

	f->answers[0] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"a\": [1, 2]}";
	f->answers[1] = NO_BODY;
	f->stop_at = 2;
	f->slowly = true;
	serve(f);
	ask(f, "/vmm.ping", NULL);
	ask(f, "/vm.create", json_tokener_parse("{\"kernel\": \"/a/b\"}"));
	run(f);
	assert_int_equal(f->status[0], 200);
	assert_string_equal(f->answer[0], "{\"a\":[1,2]}");
	assert_int_equal(f->status[1], 204);
	assert_string_equal(f->answer[1], "");
	assert_int_equal(f->err[0].code | f->err[1].code, 0);
	assert_string_equal(f->requests[0], "GET /vmm.ping HTTP/1.1\r\nHost: localhost\r\n"
					    "Accept: application/json\r\n\r\n");
	assert_string_equal(f->requests[1],
			    "PUT /vm.create HTTP/1.1\r\nHost: localhost\r\n"
			    "Accept: application/json\r\nContent-Type: application/json\r\n"
			    "Content-Length: 17\r\n\r\n{\"kernel\":\"/a/b\"}");
}

static void descriptors_go_along(void **state)
{
	struct fixture *f = *state;
	int p[2];
	char c;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	f->answers[0] = NO_BODY;
	serve(f);
	http_ask(f->http,
		 &(struct http_request){ .method = "PUT",
					 .path = "/vm.add-net",
					 .body = json_object_new_object(),
					 .fds = (const int[]){ p[1], p[0] },
					 .n_fds = 2,
					 .limit_ms = 3000 },
		 on_done, f);
	/* The caller's are its own again at once. */
	close(p[0]);
	close(p[1]);
	run(f);
	assert_int_equal(f->status[0], 204);
	assert_int_equal(f->n_fds, 2);
	assert_int_equal(write(f->fds[0], "x", 1), 1);
	assert_int_equal(read(f->fds[1], &c, 1), 1);
}

static void a_peer_says_no(void **state)
{
	struct fixture *f = *state;

	f->answers[1] = "HTTP/1.1 429 \r\nContent-Length: 17\r\n\r\n[\"outer\",\"inner\"]";
	f->answers[2] = "HTTP/1.1 500 \r\nContent-Length: 0\r\n\r\n";
	f->stop_at = 3;
	f->answers[0] = "HTTP/1.1 400 \r\nContent-Length: 39\r\n\r\n"
			"{\"fault_message\":\"no such\\u001b drive\"}";
	serve(f);
	ask(f, "/drives/x", json_object_new_object());
	ask(f, "/vm.resize", json_object_new_object());
	ask(f, "/", NULL);
	run(f);
	assert_string_equal(f->err[0].msg, "PUT /drives/x: status 400: no such  drive");
	assert_int_equal(f->status[0], 400);
	assert_string_equal(f->err[1].msg, "PUT /vm.resize: status 429: outer: inner");
	assert_int_equal(f->status[1], 429);
	assert_string_equal(f->err[2].msg, "GET /: status 500");
}

static void a_peer_fails(void **state)
{
	static const struct {
		const char *answer, *want;
	} cases[] = {
		{ "", "GET /: the connection was closed without an answer" },
		{ "HTTP/1.1 20", "GET /: the connection ended amidst the answer" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"a",
		  "GET /: the connection ended amidst the answer" },
		{ "SSH-2.0-x\r\n", "GET /: the answer is not understood: it does not begin with a "
				   "status of HTTP" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel\01o",
		  "GET /: the answer is no JSON: \"hel o\"" },
	};
	struct fixture *f = *state;

	serve(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		f->answers[0] = cases[i].answer;
		f->n_requests = f->n_done = 0;
		ask(f, "/", NULL);
		run(f);
		assert_string_equal(f->err[0].msg, cases[i].want);
	}
}

static void a_peer_is_silent(void **state)
{
	struct fixture *f = *state;
	struct http_request r = { .method = "GET", .path = "/", .limit_ms = 50 };

	http_ask(f->http, &r, on_done, f);
	run(f);
	assert_string_equal(strchr(f->err[0].msg, ':') + 2,
			    strstr(f->err[0].msg, f->path)); /* "PATH: No such file …" */
	f->n_done = 0;
	r.wait = true;
	http_ask(f->http, &r, on_done, f);
	run(f);
	assert_non_null(strstr(f->err[0].msg, "GET /: nobody listens on "));
	assert_non_null(strstr(f->err[0].msg, "/api.sock after 50 ms"));
	serve(f);
	f->n_done = 0;
	http_ask(f->http, &r, on_done, f);
	run(f);
	assert_string_equal(f->err[0].msg, "GET /: no answer within 50 ms");
	assert_int_equal(f->err[0].code, -ETIMEDOUT);
}

static void a_peer_comes_late(void **state)
{
	struct fixture *f = *state;
	struct http_request r = { .method = "GET", .path = "/", .limit_ms = 3000, .wait = true };

	f->answers[0] = NO_BODY;
	http_ask(f->http, &r, on_done, f);
	loop_add_timer(f->loop, 20, serve, f);
	run(f);
	assert_int_equal(f->status[0], 204);
}

static void the_program_ends(void **state)
{
	const struct err why = { -EPIPE, "firecracker ended with status 1" };
	struct fixture *f = *state;

	serve(f);
	f->stop_at = 3;
	ask(f, "/a", NULL);
	ask(f, "/b", NULL);
	loop_step(f->loop, 10);
	http_fail(f->http, &why);
	ask(f, "/c", NULL);
	run(f);
	assert_string_equal(f->err[0].msg, "GET /a: firecracker ended with status 1");
	assert_string_equal(f->err[1].msg, "GET /b: firecracker ended with status 1");
	assert_string_equal(f->err[2].msg, "GET /c: firecracker ended with status 1");
}

/* The owner gives all up from within a callback. */
static void freed_from_within(void **state)
{
	struct fixture *f = *state;

	serve(f);
	f->answers[0] = NO_BODY;
	f->free_when_done = true;
	f->stop_at = 1;
	ask(f, "/a", NULL);
	ask(f, "/b", NULL);
	run(f);
	assert_null(f->http);
	assert_int_equal(f->n_done, 1);
	f->http = http_new(f->loop, f->path);
	f->free_when_done = false;
	f->fail_when_done = true;
	f->n_done = f->n_requests = 0;
	f->stop_at = 2;
	ask(f, "/a", NULL);
	ask(f, "/b", NULL);
	run(f);
	assert_int_equal(f->status[0], 204);
	assert_string_equal(f->err[1].msg, "GET /b: it has ended");
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_answers),
		cmocka_unit_test(broken_answers),
		cmocka_unit_test(endless_answers),
		T(one_after_the_other),
		T(descriptors_go_along),
		T(a_peer_says_no),
		T(a_peer_fails),
		T(a_peer_is_silent),
		T(a_peer_comes_late),
		T(the_program_ends),
		T(freed_from_within),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
