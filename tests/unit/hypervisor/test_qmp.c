/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "host/hypervisor/qmp.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"
#define CAPABLE	 "{\"return\": {}, \"id\": \"0\"}\r\n"

struct fixture {
	struct loop *loop;
	struct qmp *qmp;
	int peer;
	int ready, closed, done;
	bool free_in_event, free_in_closed, free_in_done;
	struct str events, result;
	struct err end, failure;
};

static void on_ready(void *arg)
{
	((struct fixture *)arg)->ready++;
}

static void on_event(const char *name, struct json_object *data, void *arg)
{
	struct fixture *f = arg;

	str_printf(&f->events, "%s%s;", name, data ? json_object_to_json_string_ext(data, 0) : "");
	if (f->free_in_event)
		qmp_free(take_ptr(f->qmp));
}

static void on_closed(const struct err *err, void *arg)
{
	struct fixture *f = arg;

	f->closed++;
	f->end = *err;
	if (f->free_in_closed)
		qmp_free(take_ptr(f->qmp));
}

static void on_done(const struct err *err, struct json_object *ret, void *arg)
{
	struct fixture *f = arg;

	f->done++;
	if (err)
		f->failure = *err;
	else
		str_puts(&f->result, json_object_to_json_string_ext(ret, 0));
	if (f->free_in_done)
		qmp_free(take_ptr(f->qmp));
}

static const struct qmp_handler handler = { on_ready, on_event, on_closed, NULL };

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	f->loop = loop_new();
	f->peer = sv[1];
	f->qmp = qmp_new(f->loop, sv[0], &handler, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	qmp_free(f->qmp);
	loop_free(f->loop);
	close_fd(&f->peer);
	str_free(&f->events);
	str_free(&f->result);
	free(f);
	return 0;
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		loop_step(f->loop, 0);
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(fd_write_full(f->peer, text, strlen(text)), 0);
	turn(f);
}

/* What the client sent since the last call. */
static void expect(struct fixture *f, const char *text)
{
	char buf[1024];
	ssize_t n = recv(f->peer, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	assert_string_equal(buf, text);
}

static void greet(struct fixture *f)
{
	say(f, GREETING);
	expect(f, "{\"execute\":\"qmp_capabilities\",\"id\":\"0\"}\n");
	say(f, CAPABLE);
	assert_int_equal(f->ready, 1);
}

static void commands_and_events(void **state)
{
	struct fixture *f = *state;

	greet(f);
	qmp_command(f->qmp, "query-status", NULL, on_done, f);
	expect(f, "{\"execute\":\"query-status\",\"id\":\"1\"}\n");
	say(f, "{\"event\":\"STOP\",\"timestamp\":{}}\n{\"event\":\"X\",\"data\":{\"a\":1}}\n");
	assert_string_equal(str_text(&f->events), "STOP;X{\"a\":1};");
	assert_int_equal(f->done, 0);
	say(f, "{\"return\":{\"running\":true},\"id\":1}\n");
	assert_int_equal(f->done, 1);
	assert_string_equal(str_text(&f->result), "{\"running\":true}");
}

static void a_line_may_come_in_pieces(void **state)
{
	struct fixture *f = *state;

	for (const char *p = GREETING; *p; p++) {
		char one[2] = { *p, '\0' };

		say(f, one);
	}
	expect(f, "{\"execute\":\"qmp_capabilities\",\"id\":\"0\"}\n");
}

static void answers_may_cross(void **state)
{
	struct fixture *f = *state, other = { 0 };

	greet(f);
	qmp_command(f->qmp, "a", NULL, on_done, f);
	qmp_command(f->qmp, "b", json_object_new_object(), on_done, &other);
	say(f,
	    "{\"return\":2,\"id\":2}\n{\"return\":9,\"id\":7}\n{\"error\":{\"class\":\"C\",\"desc\":\"no such a\"},"
	    "\"id\":1}\n");
	assert_string_equal(str_text(&other.result), "2");
	assert_string_equal(err_msg(&f->failure), "QMP: a: no such a");
	assert_int_equal(f->done, 1);
	str_free(&other.result);
}

static void the_end_fails_what_waits(void **state)
{
	struct fixture *f = *state;

	greet(f);
	qmp_command(f->qmp, "cont", NULL, on_done, f);
	close_fd(&f->peer);
	turn(f);
	assert_int_equal(f->done, 1);
	assert_string_equal(err_msg(&f->failure), "cont: QMP: the connection is closed");
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->end.code, 0);
	/* Nobody answers any more, and it is said. */
	qmp_command(f->qmp, "stop", NULL, on_done, f);
	turn(f);
	assert_int_equal(f->done, 2);
}

static void garbage_ends_it(void **state)
{
	static const char *const bad[] = { "garbage\n", "[1]\n", "{\"a\":\n", "\"text\"\n",
					   "{} x\n" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fixture *f = *state;

		say(f, bad[i]);
		/* "{} x" is an object with something behind it: as good as garbage, but harmless. */
		if (i < 4) {
			assert_int_equal(f->closed, 1);
			assert_int_equal(f->end.code, -EPROTO);
		}
		teardown(state);
		setup(state);
	}
}

static void an_endless_line_ends_it(void **state)
{
	struct fixture *f = *state;
	auto_free char *block = xmalloc(4096);

	memset(block, 'x', 4096);
	for (int i = 0; i <= QMP_LINE_MAX / 4096 && !f->closed; i++) {
		assert_int_equal(fd_write_full(f->peer, block, 4096), 0);
		turn(f);
	}
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->end.code, -EMSGSIZE);
}

static void freed_from_an_event(void **state)
{
	struct fixture *f = *state;

	greet(f);
	f->free_in_event = true;
	qmp_command(f->qmp, "a", NULL, on_done, f);
	say(f, "{\"event\":\"A\"}\n{\"event\":\"B\"}\n");
	assert_string_equal(str_text(&f->events), "A;");
	assert_null(f->qmp);
	assert_int_equal(f->closed + f->done, 0);
}

static void freed_when_closed(void **state)
{
	struct fixture *f = *state;

	f->free_in_closed = true;
	close_fd(&f->peer);
	turn(f);
	assert_int_equal(f->closed, 1);
	assert_null(f->qmp);
}

static void freed_from_a_failing_command(void **state)
{
	struct fixture *f = *state;

	greet(f);
	f->free_in_done = true;
	qmp_command(f->qmp, "a", NULL, on_done, f);
	qmp_command(f->qmp, "b", NULL, on_done, f);
	close_fd(&f->peer);
	turn(f);
	assert_int_equal(f->done, 1);
	assert_int_equal(f->closed, 0);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(commands_and_events),
		T(a_line_may_come_in_pieces),
		T(answers_may_cross),
		T(the_end_fails_what_waits),
		T(garbage_ends_it),
		T(an_endless_line_ends_it),
		T(freed_from_an_event),
		T(freed_when_closed),
		T(freed_from_a_failing_command),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qmp", tests, NULL, NULL);
}
