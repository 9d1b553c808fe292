/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"

struct record {
	struct loop *loop;
	struct loop_source *a, *b;
	int calls, order[8];
};

static void note(struct record *r, int what)
{
	if (r->calls < 8)
		r->order[r->calls] = what;
	r->calls++;
}

static void timer_1(void *arg)
{
	note(arg, 1);
}

static void timer_2(void *arg)
{
	note(arg, 2);
}

static void timers_fire_in_order(void **state)
{
	struct record r = { .loop = loop_new() };

	(void)state;
	loop_add_timer(r.loop, 2, timer_2, &r);
	loop_add_timer(r.loop, 0, timer_1, &r);
	loop_add_timer(r.loop, 0, timer_2, &r);
	assert_int_equal(loop_run(r.loop), 0);
	assert_int_equal(r.calls, 3);
	assert_int_equal(r.order[0], 1);
	assert_int_equal(r.order[1], 2);
	assert_int_equal(r.order[2], 2);
	loop_free(r.loop);
}

static void again(void *arg)
{
	struct record *r = arg;

	note(r, 1);
	if (r->calls < 1000)
		loop_defer(r->loop, again, r);
}

/* A callback that keeps deferring itself must not starve the rest. */
static void deferred_waits_for_next_round(void **state)
{
	struct record r = { .loop = loop_new() };

	(void)state;
	loop_defer(r.loop, again, &r);
	assert_int_equal(loop_step(r.loop, 0), 0);
	assert_int_equal(r.calls, 1);
	assert_int_equal(loop_step(r.loop, 0), 0);
	assert_int_equal(r.calls, 2);
	loop_free(r.loop);
}

static void remove_other(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct record *r = arg;

	(void)fd;
	(void)events;
	note(r, src == r->a);
	loop_remove(&r->a);
	loop_remove(&r->b);
}

/* Both are ready in the same round; the first removes itself and the second. */
static void removed_source_is_not_called(void **state)
{
	struct record r = { .loop = loop_new() };
	int p[2], q[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(q), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(write(q[1], "x", 1), 1);
	r.a = loop_add_fd(r.loop, p[0], EPOLLIN, remove_other, &r);
	r.b = loop_add_fd(r.loop, q[0], EPOLLIN, remove_other, &r);
	assert_int_equal(loop_run(r.loop), 0);
	assert_int_equal(r.calls, 1);
	loop_free(r.loop);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(q[i]);
	}
}

static void on_events(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	(void)src;
	(void)fd;
	(void)events;
	note(arg, 1);
}

/* EPOLLHUP cannot be masked: a paused source has to leave the set. */
static void paused_source_ignores_hangup(void **state)
{
	struct record r = { .loop = loop_new() };
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	r.a = loop_add_fd(r.loop, p[0], EPOLLIN, on_events, &r);
	loop_set_events(r.a, 0);
	close(p[1]);
	assert_int_equal(loop_step(r.loop, 0), 0);
	assert_int_equal(r.calls, 0);
	loop_set_events(r.a, EPOLLIN);
	assert_int_equal(loop_step(r.loop, 0), 0);
	assert_int_equal(r.calls, 1);
	loop_free(r.loop);
	close(p[0]);
}

static void regular_file_is_refused(void **state)
{
	struct record r = { .loop = loop_new() };
	char name[] = "/tmp/test-loop-XXXXXX";
	int fd = mkstemp(name);

	(void)state;
	assert_true(fd >= 0);
	unlink(name);
	assert_null(loop_add_fd(r.loop, fd, EPOLLIN, on_events, &r));
	assert_int_equal(errno, EPERM);
	close(fd);
	loop_free(r.loop);
}

static void on_signal(const struct signalfd_siginfo *info, void *arg)
{
	struct record *r = arg;

	note(r, (int)info->ssi_signo);
	loop_stop(r->loop, 42);
}

static void signal_becomes_a_call(void **state)
{
	struct record r = { .loop = loop_new() };

	(void)state;
	assert_non_null(loop_add_signal(r.loop, SIGUSR1, on_signal, &r));
	kill(getpid(), SIGUSR1);
	assert_int_equal(loop_run(r.loop), 42);
	assert_int_equal(r.order[0], SIGUSR1);
	loop_free(r.loop);
}

static void on_child(pid_t pid, int status, void *arg)
{
	(void)pid;
	note(arg, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void child_is_reaped(void **state)
{
	struct record r = { .loop = loop_new() };
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(7);
	assert_non_null(loop_add_child(r.loop, pid, -1, on_child, &r));
	assert_int_equal(loop_run(r.loop), 0);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.order[0], 7);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	loop_free(r.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order),
		cmocka_unit_test(deferred_waits_for_next_round),
		cmocka_unit_test(removed_source_is_not_called),
		cmocka_unit_test(paused_source_ignores_hangup),
		cmocka_unit_test(regular_file_is_refused),
		cmocka_unit_test(signal_becomes_a_call),
		cmocka_unit_test(child_is_reaped),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
