/* SPDX-License-Identifier: Apache-2.0 */
/* The server: what comes out for what goes in, and what its clients can do to it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "http/httpd.h"

#define BODY_MAX 100000
#define GET	 "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
#define ANSWER(text, length) \
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " length "\r\n\r\n" text

struct fixture {
	char dir[64];
	char *path;
	struct loop *loop;
	struct httpd *h;
	struct httpd_call *held; /* the last one, when `hold` */
	bool hold, free_it;
	size_t large; /* bytes of an answer instead */
	unsigned calls;
	struct str seen; /* bodies */
};

static void handle(struct httpd_call *call, const struct http_asked *asked, void *arg)
{
	struct fixture *f = arg;
	auto_str struct str body = STR_INIT;

	f->calls++;
	str_free(&f->seen);
	str_add(&f->seen, str_text(&asked->body), asked->body.len);
	if (f->free_it) {
		httpd_free(f->h);
		f->h = NULL;
	}
	if (f->hold) {
		f->held = call;
		return;
	}
	if (f->large) {
		body.data = xcalloc(1, f->large);
		body.len = body.cap = f->large;
		memset(body.data, 'a', f->large);
	} else {
		str_printf(&body, "%s %s %zu", asked->method, asked->path, asked->body.len);
	}
	httpd_reply(call, 200, "text/plain", &body);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/test-httpd-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->path = path_join(f->dir, "s");
	f->loop = loop_new();
	f->h = httpd_new(f->loop, &(const struct httpd_options){ .handler = handle,
								 .arg = f,
								 .body_max = BODY_MAX,
								 .connections = 2 });
	assert_int_equal(httpd_listen(f->h, unix_listen(f->path, 16, NULL)), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	httpd_free(f->h);
	loop_free(f->loop);
	str_free(&f->seen);
	assert_int_equal(tree_remove(f->dir, NULL), 0);
	free(f->path);
	free(f);
	return 0;
}

static void settle(struct fixture *f)
{
	for (int i = 0; i < 30; i++)
		assert_int_equal(loop_step(f->loop, 0), 0);
}

static int dial(struct fixture *f)
{
	int fd = unix_connect(f->path, true, NULL);

	assert_true(fd >= 0);
	settle(f);
	return fd;
}

static void say(struct fixture *f, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	settle(f);
}

/* All that has come, and "<end>" when nothing more will. */
static const char *hear(int fd)
{
	static char text[4096];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, text + len, sizeof(text) - len - 8, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	if (n == 0)
		strncat(text, "<end>", sizeof(text) - len - 1);
	return text;
}

static void one_after_the_other(void **state)
{
	struct fixture *f = *state;
	auto_close int fd = dial(f);

	say(f, fd, GET);
	assert_string_equal(hear(fd), ANSWER("GET /x 0", "8"));
	/* Byte for byte. */
	for (const char *p = "PUT /yy HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"; *p; p++)
		say(f, fd, (char[]){ *p, '\0' });
	assert_string_equal(hear(fd), ANSWER("PUT /yy 3", "9"));
	assert_string_equal(str_text(&f->seen), "abc");
	/* Several at once, with chunks among them. */
	say(f, fd,
	    GET "PUT /z HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		"2\r\nde\r\n1;x\r\nf\r\n0\r\n\r\n" GET);
	assert_string_equal(hear(fd), ANSWER("GET /x 0", "8") ANSWER("PUT /z 3", "8")
					      ANSWER("GET /x 0", "8"));
	assert_int_equal(f->calls, 5);
	assert_int_equal(httpd_connections(f->h), 1);
}

static void the_last_one_closes(void **state)
{
	static const char *const last[] = {
		"GET /x HTTP/1.0\r\n\r\n",
		"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(last); i++) {
		auto_close int fd = dial(f);

		say(f, fd, last[i]);
		assert_string_equal(hear(fd), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
					      "Content-Length: 8\r\nConnection: close\r\n\r\n"
					      "GET /x 0<end>");
		/* What comes behind it is nobody's. */
		(void)!send(fd, GET, strlen(GET), MSG_NOSIGNAL);
		settle(f);
		assert_int_equal(f->calls, i + 1);
	}
}

static void a_head_has_no_body(void **state)
{
	struct fixture *f = *state;
	auto_close int fd = dial(f);

	say(f, fd, "HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_string_equal(hear(fd), ANSWER("", "9"));
}

static void who_waits_to_be_asked_for_the_body_is(void **state)
{
	struct fixture *f = *state;
	auto_close int fd = dial(f);

	say(f, fd,
	    "PUT /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	assert_string_equal(hear(fd), "HTTP/1.1 100 Continue\r\n\r\n");
	say(f, fd, "ab");
	assert_string_equal(hear(fd), ANSWER("PUT /p 2", "8"));
}

static void what_is_refused_closes(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n" },
		{ "GET / HTTP/3.0\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n" },
		{ "PUT /p HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n",
		  "HTTP/1.1 413 Content Too Large\r\n" },
		{ "PUT /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "1\r\na\r\n186a0\r\n",
		  "HTTP/1.1 413 Content Too Large\r\n" },
		{ "PUT /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
		  "HTTP/1.1 400 Bad Request\r\n" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_close int fd = dial(f);
		const char *got;

		say(f, fd, cases[i].text);
		got = hear(fd);
		if (strncmp(got, cases[i].want, strlen(cases[i].want)) != 0 ||
		    !strstr(got, "\r\nConnection: close\r\n") || !strstr(got, "\n<end>"))
			fail_msg("%s: %s", cases[i].text, got);
	}
	assert_int_equal(f->calls, 0);
}

/* The answer comes later, meanwhile who asked goes, or the server does. */
static void late_answers(void **state)
{
	struct fixture *f = *state;
	auto_str struct str body = STR_INIT;
	int fd = dial(f);

	f->hold = true;
	say(f, fd, GET GET);
	assert_int_equal(f->calls, 1);
	shutdown(fd, SHUT_WR); /* by half: it still hears */
	settle(f);
	str_puts(&body, "late");
	httpd_reply(f->held, 200, "text/plain", &body);
	assert_int_equal(body.len, 0);
	settle(f);
	assert_string_equal(hear(fd), ANSWER("late", "4"));
	assert_int_equal(f->calls, 2);
	close(fd);
	httpd_fail(f->held, 500, "nobody hears %s", "this");
	settle(f);
	assert_int_equal(httpd_connections(f->h), 0);

	fd = dial(f);
	say(f, fd, GET);
	close(fd);
	settle(f);
	assert_int_equal(httpd_connections(f->h), 0);
	httpd_fail(f->held, 500, "nobody hears %s", "this");

	fd = dial(f);
	f->free_it = true;
	say(f, fd, GET);
	assert_null(f->h);
	assert_string_equal(hear(fd), "<end>");
	httpd_fail(f->held, 503, "too late");
	close(fd);
}

static void sentences(void **state)
{
	struct fixture *f = *state;
	auto_close int fd = dial(f);

	f->hold = true;
	say(f, fd, GET);
	httpd_fail(f->held, 404, "there is no %s", "x");
	settle(f);
	assert_string_equal(hear(fd),
			    "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
			    "Content-Length: 14\r\n\r\nthere is no x\n");
}

/* Who does not read holds up nobody, and gets all when it does. */
static void slow_readers(void **state)
{
	struct fixture *f = *state;
	auto_close int slow = dial(f), quick = dial(f);
	static char buf[65536];
	size_t got = 0;
	ssize_t n;

	f->large = 4 << 20;
	say(f, slow, GET);
	f->large = 0;
	say(f, quick, GET);
	assert_string_equal(hear(quick), ANSWER("GET /x 0", "8"));
	for (int i = 0; i < 1000 && got < (4u << 20); i++) {
		n = recv(slow, buf, sizeof(buf), MSG_DONTWAIT);
		got += n > 0 ? (size_t)n : 0;
		settle(f);
	}
	assert_true(got > (4u << 20));
	say(f, slow, GET);
	assert_string_equal(hear(slow), ANSWER("GET /x 0", "8"));
}

/* Two at most: an idle one goes for a third, or one that is slow; busy ones make it wait. */
static void more_than_it_takes(void **state)
{
	struct fixture *f = *state;
	auto_close int a = dial(f), b = dial(f);
	auto_close int c = -1, d = -1;

	say(f, a, "GET /begun");
	c = dial(f);
	assert_int_equal(httpd_connections(f->h), 2);
	assert_string_equal(hear(b), "<end>");
	say(f, c, "GET /begun");
	close_fd(&b);
	b = dial(f);
	assert_string_equal(hear(a), "<end>");
	say(f, b, GET);
	assert_string_equal(hear(b), ANSWER("GET /x 0", "8"));
	f->hold = true;
	say(f, b, GET);
	d = dial(f);
	assert_string_equal(hear(c), "<end>");
	f->large = 4 << 20;
	f->hold = false;
	say(f, d, GET);
	close_fd(&c);
	f->large = 0;
	c = dial(f);
	say(f, c, GET);
	assert_string_equal(hear(c), "");
	httpd_fail(f->held, 404, "no");
	settle(f);
	assert_non_null(strstr(hear(c), "GET /x 0"));
	assert_non_null(strstr(hear(b), "no\n<end>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_after_the_other, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_one_closes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_head_has_no_body, setup, teardown),
		cmocka_unit_test_setup_teardown(who_waits_to_be_asked_for_the_body_is, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_refused_closes, setup, teardown),
		cmocka_unit_test_setup_teardown(late_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(sentences, setup, teardown),
		cmocka_unit_test_setup_teardown(slow_readers, setup, teardown),
		cmocka_unit_test_setup_teardown(more_than_it_takes, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
