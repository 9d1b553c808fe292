/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "vmm/control.h"

struct fixture {
	struct loop *loop;
	struct control *control;
	int peer;
	struct str done; /* what was asked of the machine */
	bool fails, later;
};

static int on_pause(void *arg, struct err *err)
{
	struct fixture *f = arg;

	str_puts(&f->done, "pause;");
	if (f->later)
		return -EINPROGRESS;
	return f->fails ? err_set(err, EBUSY, "a disk\nis busy") : 0;
}

static int on_resume(void *arg, struct err *err)
{
	(void)err;
	str_puts(&((struct fixture *)arg)->done, "resume;");
	return 0;
}

static int on_balloon(void *arg, uint64_t mib, struct err *err)
{
	(void)err;
	str_printf(&((struct fixture *)arg)->done, "balloon %llu;", (unsigned long long)mib);
	return 0;
}

static void on_stats(void *arg, struct str *out)
{
	(void)arg;
	str_puts(out, "vcpus=2 exits=17");
}

static void on_stop(void *arg, const char *why)
{
	str_printf(&((struct fixture *)arg)->done, "%s;", why);
}

static const struct control_ops ops = { on_pause, on_resume, on_balloon, on_stats, on_stop };
static const struct control_ops no_ops = { NULL, NULL, NULL, NULL, on_stop };

static void start(struct fixture *f, const struct control_ops *with)
{
	struct err err = ERR_INIT;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	f->peer = sv[1];
	f->control = control_new(f->loop, sv[0], with, f, &err);
	assert_non_null(f->control);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->loop = loop_new();
	f->peer = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	control_free(f->control);
	close_fd(&f->peer);
	loop_free(f->loop);
	str_free(&f->done);
	free(f);
	return 0;
}

static void run(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		assert_int_equal(loop_step(f->loop, 0), 0);
}

static void ask(struct fixture *f, const char *line)
{
	assert_int_equal(send(f->peer, line, strlen(line), MSG_NOSIGNAL), strlen(line));
	run(f);
}

static void hears(struct fixture *f, const char *line)
{
	char buf[4096];
	ssize_t n = recv(f->peer, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, line);
}

static void hears_nothing(struct fixture *f)
{
	char c;

	assert_int_equal(recv(f->peer, &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_requests(void **state)
{
	struct fixture *f = *state;

	start(f, &ops);
	ask(f, "pause");
	hears(f, "ok");
	ask(f, "resume");
	hears(f, "ok");
	ask(f, "stats");
	hears(f, "ok vcpus=2 exits=17");
	ask(f, "balloon 512");
	hears(f, "ok");
	ask(f, "stop");
	hears(f, "ok");
	hears_nothing(f);
	assert_string_equal(str_text(&f->done), "pause;resume;balloon 512;stop;");
}

static void test_order(void **state)
{
	static const char *const lines[] = { "pause", "stats", "nonsense", "resume" };
	struct fixture *f = *state;

	start(f, &ops);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_true(send(f->peer, lines[i], strlen(lines[i]), 0) > 0);
	run(f);
	hears(f, "ok");
	hears(f, "ok vcpus=2 exits=17");
	hears(f, "error the request \"nonsense\" is not known");
	hears(f, "ok");
}

static void test_bad_requests(void **state)
{
	static const struct {
		const char *line, *answer;
	} bad[] = {
		{ "Pause", "error the request \"Pause\" is not known" },
		{ "pausen", "error the request \"pausen\" is not known" },
		{ "paus", "error the request \"paus\" is not known" },
		{ " pause", "error the request \" pause\" is not known" },
		{ "pause ", "error the request takes no argument" },
		{ "stop now", "error the request takes no argument" },
		{ "balloon", "error the request needs an argument" },
		{ "balloon ", "error balloon: \"\" is no number of MiB" },
		{ "balloon -1", "error balloon: \"-1\" is no number of MiB" },
		{ "balloon 1 2", "error balloon: \"1 2\" is no number of MiB" },
		{ "balloon 99999999999999999999",
		  "error balloon: \"99999999999999999999\" is no number of MiB" },
		{ "balloon 9223372036854775807",
		  "error balloon: \"9223372036854775807\" is no number of MiB" },
		{ "pause\n", "error a request is one short line of printable characters" },
		{ "\xff", "error a request is one short line of printable characters" },
	};
	struct fixture *f = *state;
	char longest[VMM_MESSAGE_MAX + 2];

	start(f, &ops);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ask(f, bad[i].line);
		hears(f, bad[i].answer);
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	ask(f, longest);
	hears(f, "error a request is one short line of printable characters");
	longest[sizeof(longest) - 2] = '\0';
	ask(f, longest);
	hears(f, "error the request \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" is not known");
	/* A NUL is a character, too. */
	assert_int_equal(send(f->peer, "pause\0", 6, 0), 6);
	run(f);
	hears(f, "error a request is one short line of printable characters");
	assert_null(f->done.data);
}

static void test_descriptors_are_closed(void **state)
{
	struct fixture *f = *state;
	int p[2];
	char c;

	start(f, &ops);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(fd_send(f->peer, "pause", 5, &p[1], 1), 5);
	close(p[1]);
	run(f);
	hears(f, "error no request comes with descriptors");
	/* Nobody has the other end any more. */
	assert_int_equal(read(p[0], &c, 1), 0);
	close(p[0]);
	assert_null(f->done.data);
}

static void test_failures(void **state)
{
	struct fixture *f = *state;

	start(f, &ops);
	f->fails = true;
	ask(f, "pause");
	/* One line, whatever the reason was. */
	hears(f, "error a disk?is busy");
}

static void test_answers_that_take_time(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	start(f, &ops);
	f->later = true;
	ask(f, "pause");
	ask(f, "stats");
	hears_nothing(f);
	control_started(f->control); /* an event may come between */
	hears(f, "event started");
	control_answer(f->control, NULL);
	control_answer(f->control, NULL); /* it was given */
	run(f);
	hears(f, "ok");
	hears(f, "ok vcpus=2 exits=17");
	ask(f, "pause");
	err_set(&err, EALREADY, "it is on its way");
	control_answer(f->control, &err);
	hears(f, "error it is on its way");
	/* One who does not wait for the answer stops the machine as ever. */
	ask(f, "pause");
	close_fd(&f->peer);
	run(f);
	control_answer(f->control, NULL);
	assert_string_equal(str_text(&f->done),
			    "pause;pause;pause;the control connection was closed;");
}

static void test_not_supported(void **state)
{
	struct fixture *f = *state;

	start(f, &no_ops);
	ask(f, "pause");
	hears(f, "error the machine cannot pause");
	ask(f, "resume");
	hears(f, "error the machine cannot resume");
	ask(f, "balloon 1");
	hears(f, "error the machine has no balloon");
	ask(f, "stats");
	hears(f, "ok");
}

static void test_events(void **state)
{
	struct fixture *f = *state;
	char c;

	start(f, &ops);
	control_started(f->control);
	control_started(f->control);
	hears(f, "event started");
	hears_nothing(f);
	control_ended(f->control, VMM_END_PANIC, "Attempted to kill init!");
	control_ended(f->control, VMM_END_POWEROFF, NULL);
	hears(f, "event ended panic Attempted to kill init!");
	assert_int_equal(recv(f->peer, &c, 1, 0), 0);
	run(f);
	assert_null(f->done.data);
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(vmm_end_word(VMM_END_POWEROFF), "poweroff");
	assert_string_equal(vmm_end_word(VMM_END_TRIPLE_FAULT), "triple-fault");
	assert_string_equal(vmm_end_word(VMM_END_STOPPED), "stopped");
	assert_null(vmm_end_word((enum vmm_end)VMM_EXIT_USAGE));
	assert_int_equal(VMM_END_RESET, 3);
	assert_int_equal(VMM_END_STOPPED, 6);
}

static void test_closing_stops(void **state)
{
	struct fixture *f = *state;

	start(f, &ops);
	close_fd(&f->peer);
	run(f);
	assert_string_equal(str_text(&f->done), "the control connection was closed;");
	control_started(f->control);
	control_ended(f->control, VMM_END_STOPPED, NULL);
}

/* One who asks and does not read gets no further than his socket's room. */
static void test_reader_that_sleeps(void **state)
{
	struct fixture *f = *state;
	unsigned sent = 0, heard = 0;
	char buf[64];

	start(f, &ops);
	for (int i = 0; i < 10000; i++) {
		if (send(f->peer, "stats", 5, MSG_DONTWAIT) == 5)
			sent++;
		assert_int_equal(loop_step(f->loop, 0), 0);
	}
	assert_true(sent > 0 && sent < 10000);
	while (heard < sent) {
		while (recv(f->peer, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			heard++;
		assert_int_equal(loop_step(f->loop, 0), 0);
	}
	assert_int_equal(heard, sent);
	ask(f, "pause");
	hears(f, "ok");
}

static void test_end_does_not_wait_for_ever(void **state)
{
	struct fixture *f = *state;
	int64_t begin;

	start(f, &ops);
	for (int i = 0; i < 10000; i++) {
		(void)!send(f->peer, "stats", 5, MSG_DONTWAIT);
		assert_int_equal(loop_step(f->loop, 0), 0);
	}
	begin = loop_now_ms();
	control_ended(f->control, VMM_END_FAILED, "x");
	assert_true(loop_now_ms() - begin < 5000);
}

static int dial(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, path, strlen(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void test_listening(void **state)
{
	auto_free char *path = xasprintf("/tmp/test-control.%d", (int)getpid());
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	int fd, second;
	char c;

	fd = control_listen(path, &err);
	assert_true(fd >= 0);
	assert_int_equal(control_listen(path, &err), -EADDRINUSE);
	f->control = control_new(f->loop, fd, &ops, f, &err);
	assert_non_null(f->control);
	control_started(f->control); /* nobody hears it now */
	f->peer = dial(path);
	run(f);
	hears(f, "event started");
	second = dial(path);
	run(f);
	assert_int_equal(recv(second, &c, 1, 0), 0);
	close(second);
	ask(f, "pause");
	hears(f, "ok");
	/* Its going away stops nothing, and there is room for the next. */
	close_fd(&f->peer);
	run(f);
	assert_string_equal(str_text(&f->done), "pause;");
	f->peer = dial(path);
	run(f);
	hears(f, "event started");
	control_ended(f->control, VMM_END_RESET, NULL);
	hears(f, "event ended reset");
	unlink(path);
}

/* Without descriptors callers wait, and the loop does not turn about it. */
static void test_no_descriptors(void **state)
{
	auto_free char *path = xasprintf("/tmp/test-control.%d", (int)getpid());
	struct fixture *f = *state;
	struct rlimit was, none;
	struct err err = ERR_INIT;
	int64_t begin;
	int fd;

	fd = control_listen(path, &err);
	f->control = control_new(f->loop, fd, &ops, f, &err);
	assert_non_null(f->control);
	control_started(f->control);
	f->peer = dial(path);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ 0, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(loop_step(f->loop, 1000), 0);
	begin = loop_now_ms();
	assert_int_equal(loop_step(f->loop, 30), 0);
	assert_true(loop_now_ms() - begin >= 25);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	for (begin = loop_now_ms(); fd_poll(f->peer, POLLIN, 0) == 0;) {
		assert_true(loop_now_ms() - begin < 10000);
		assert_int_equal(loop_step(f->loop, 1000), 0);
	}
	hears(f, "event started");
	unlink(path);
}

static void test_wrong_sockets(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char longest[200];
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_null(control_new(f->loop, sv[0], &ops, f, &err));
	assert_string_equal(err.msg, "control: not a unix socket of the type SOCK_SEQPACKET");
	close(sv[1]);
	assert_int_equal(pipe(sv), 0);
	assert_null(control_new(f->loop, sv[0], &ops, f, &err));
	close(sv[1]);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(control_listen(longest, &err), -ENAMETOOLONG);
	assert_int_equal(control_listen("", &err), -ENAMETOOLONG);
	control_started(NULL);
	control_ended(NULL, VMM_END_FAILED, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptors_are_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_that_take_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_supported, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events, setup, teardown),
		cmocka_unit_test(test_words),
		cmocka_unit_test_setup_teardown(test_closing_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_that_sleeps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_does_not_wait_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listening, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_sockets, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
