/* SPDX-License-Identifier: Apache-2.0 */
/* Copying between ports and processes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fake.h"
#include "host/shim/streams.h"

#define LARGE (10u << 20)

struct streams_test {
	struct loop *loop;
	struct streams *io;
	struct sandbox *sb;
	int drained;
};

static int setup(void **state)
{
	struct streams_test *t = xcalloc(1, sizeof(*t));

	signal(SIGPIPE, SIG_IGN);
	t->loop = loop_new();
	fake_reset(t->loop);
	t->sb = (struct sandbox *)&fake;
	*state = t;
	return t->loop ? 0 : -1;
}

static void settle(struct streams_test *t)
{
	for (int i = 0; i < 200; i++)
		assert_int_equal(loop_step(t->loop, 0), 0);
}

static int teardown(void **state)
{
	struct streams_test *t = *state;

	streams_free(t->io);
	fake_exits("", 0); /* answers what the flows still wait for */
	for (int op = 0; op < FAKE_OPS; op++)
		fake_release(op);
	settle(t);
	fake_check_empty();
	loop_free(t->loop);
	free(t);
	return 0;
}

/* @fds: stdin, stdout and stderr; -1: none. */
static void begin(struct streams_test *t, const int fds[3])
{
	const struct streams_where where = {
		.in = fds[0] < 0 ? "" : "fd:0",
		.out = fds[1] < 0 ? "" : "fd:1",
		.err = fds[2] < 0 ? "" : "fd:2",
		.fds = fds,
		.n_fds = 3,
	};

	assert_int_equal(streams_open(t->loop, &where, &t->io, NULL), 0);
	streams_start(t->io, t->sb, "cc", "");
}

static void on_drained(void *arg)
{
	struct streams_test *t = arg;

	t->drained++;
	streams_free(take_ptr(t->io));
}

static char *random_bytes(size_t len)
{
	char *data = xmalloc(len);
	uint32_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		data[i] = (char)(x >> 24);
	}
	return data;
}

/* Through a pipe that is read in small pieces. */
static void copies_much_output(void **state)
{
	struct streams_test *t = *state;
	auto_free char *data = random_bytes(LARGE), *got = xmalloc(LARGE + 1);
	size_t len = 0;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	begin(t, (int[]){ -1, p[1], -1 });
	close(p[1]);
	assert_int_equal(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
	fake_writes("", false, data, LARGE);
	fake_exits("", 0);
	streams_finish(t->io, on_drained, t);
	for (;;) {
		ssize_t n = read(p[0], got + len, LARGE + 1 - len);

		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		else
			assert_int_equal(loop_step(t->loop, 1000), 0);
	}
	assert_int_equal(len, LARGE);
	assert_memory_equal(got, data, LARGE);
	settle(t);
	assert_int_equal(t->drained, 1);
	close(p[0]);
}

static void copies_much_input(void **state)
{
	struct streams_test *t = *state;
	auto_free char *data = random_bytes(LARGE);
	size_t len = 0;
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s), 0);
	begin(t, (int[]){ s[0], -1, -1 });
	close(s[0]);
	while (len < LARGE) {
		ssize_t n = write(s[1], data + len, LARGE - len);

		if (n > 0)
			len += (size_t)n;
		else
			assert_int_equal(loop_step(t->loop, 1000), 0);
	}
	close(s[1]);
	while (!fake_process("")->in_closed)
		assert_int_equal(loop_step(t->loop, 1000), 0);
	assert_int_equal(fake_process("")->in.len, LARGE);
	assert_memory_equal(fake_process("")->in.data, data, LARGE);
}

/* A file cannot be waited for: it is read round by round. */
static void copies_a_file_from_where_it_stands(void **state)
{
	struct streams_test *t = *state;
	char path[] = "/tmp/test-streams-XXXXXX";
	auto_free char *data = random_bytes(300000);
	int fd = mkstemp(path);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, data, 300000), 300000);
	assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
	begin(t, (int[]){ fd, -1, -1 });
	settle(t);
	assert_true(fake_process("")->in_closed);
	assert_int_equal(fake_process("")->in.len, 299995);
	assert_memory_equal(fake_process("")->in.data, data + 5, 299995);
	close(fd);
}

/* What the process does not take stays with the caller, but for one piece. */
static void reads_no_further_than_the_process(void **state)
{
	struct streams_test *t = *state;
	auto_free char *data = random_bytes(300000);
	char path[] = "/tmp/test-streams-XXXXXX";
	int fd = mkstemp(path);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, data, 300000), 300000);
	lseek(fd, 0, SEEK_SET);
	fake.hold[FAKE_WRITE] = true;
	begin(t, (int[]){ fd, -1, -1 });
	settle(t);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 65536);
	/* It closes its input: no more is read, and nothing is closed twice. */
	fake.fail[FAKE_WRITE] = EPIPE;
	fake_release(FAKE_WRITE);
	settle(t);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 65536);
	assert_false(fake_process("")->in_closed);
	close(fd);
}

static void has_an_empty_input_without_a_port(void **state)
{
	struct streams_test *t = *state;

	begin(t, (int[]){ -1, -1, -1 });
	settle(t);
	assert_true(fake_process("")->in_closed);
	assert_int_equal(fake_process("")->in.len, 0);
}

/* CloseIO: what was sent before it arrives, though the FIFO's other end stays open. */
static void closes_input_behind_what_is_there(void **state)
{
	struct streams_test *t = *state;
	auto_free char *data = random_bytes(60000);
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	begin(t, (int[]){ p[0], -1, -1 });
	settle(t);
	assert_int_equal(write(p[1], data, 60000), 60000);
	streams_close_input(t->io);
	settle(t);
	assert_true(fake_process("")->in_closed);
	assert_int_equal(fake_process("")->in.len, 60000);
	close(p[0]);
	close(p[1]);
}

static void closes_input_before_the_start(void **state)
{
	struct streams_test *t = *state;
	int p[2];
	const struct streams_where where = {
		.in = "fd:0", .out = "", .err = "", .fds = p, .n_fds = 2
	};

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(write(p[1], "early", 5), 5);
	assert_int_equal(streams_open(t->loop, &where, &t->io, NULL), 0);
	streams_close_input(t->io);
	streams_close_input(t->io);
	settle(t);
	streams_start(t->io, t->sb, "cc", "");
	settle(t);
	assert_true(fake_process("")->in_closed);
	assert_string_equal(str_text(&fake_process("")->in), "early");
	close(p[0]);
	close(p[1]);
}

static void keeps_output_and_error_apart(void **state)
{
	struct streams_test *t = *state;
	int out[2], err[2];
	char buf[8];

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	begin(t, (int[]){ -1, out[1], err[1] });
	fake_writes("", false, "out", 3);
	fake_writes("", true, "error", 5);
	settle(t);
	assert_int_equal(read(out[0], buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "out", 3);
	assert_int_equal(read(err[0], buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "error", 5);
	for (int i = 0; i < 2; i++) {
		close(out[i]);
		close(err[i]);
	}
}

/* Whose reader has gone is told: its own pipe breaks. */
static void survives_a_closed_reader(void **state)
{
	struct streams_test *t = *state;
	auto_free char *data = random_bytes(LARGE);
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	begin(t, (int[]){ -1, p[1], -1 });
	close(p[1]);
	close(p[0]);
	settle(t);
	assert_false(fake_process("")->out_broken);
	fake_writes("", false, data, LARGE);
	settle(t);
	assert_true(fake_process("")->out_broken);
	assert_false(fake_process("")->err_broken);
	fake_exits("", 0);
	streams_finish(t->io, on_drained, t);
	settle(t);
	assert_int_equal(t->drained, 1);
}

/* A pager that rests: nothing is lost, and the end waits for it. */
static void waits_for_a_reader_that_rests(void **state)
{
	struct streams_test *t = *state;
	auto_free char *data = random_bytes(LARGE);
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	begin(t, (int[]){ -1, p[1], -1 });
	fake_writes("", false, data, LARGE);
	fake_exits("", 0);
	streams_expire(t->io, 0);
	settle(t);
	/* Held back on the way: a pipe's worth, and one piece here. */
	assert_true(fake_process("")->out.len > LARGE - (2u << 20));
	streams_finish(t->io, on_drained, t);
	settle(t);
	assert_int_equal(t->drained, 0);
	close(p[0]);
	close(p[1]);
	settle(t);
	assert_int_equal(t->drained, 1);
}

/* The sandbox answers after all was freed. */
static void may_be_freed_at_any_time(void **state)
{
	struct streams_test *t = *state;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	fake.hold[FAKE_WRITE] = true;
	begin(t, (int[]){ p[0], p[1], -1 });
	settle(t);
	streams_free(take_ptr(t->io));
	fake_writes("", false, "late", 4);
	fake_release(FAKE_WRITE);
	settle(t);
	close(p[0]);
	close(p[1]);
}

/* The client has gone, and its FIFO with it, when the process is killed. */
static void drops_what_nobody_reads_from_a_fifo(void **state)
{
	struct streams_test *t = *state;
	auto_free char *data = random_bytes(LARGE);
	char dir[] = "/tmp/test-streams-XXXXXX";
	auto_free char *path = NULL;
	struct streams_where where = { .in = "", .err = "" };

	assert_non_null(mkdtemp(dir));
	path = path_join(dir, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	where.out = path;
	assert_int_equal(streams_open(t->loop, &where, &t->io, NULL), 0);
	streams_start(t->io, t->sb, "cc", "");
	fake_writes("", false, data, LARGE);
	fake_exits("", 137);
	settle(t);
	assert_true(fake_process("")->out.len > 0);
	streams_expire(t->io, 0);
	settle(t);
	assert_int_equal(fake_process("")->out.len, 0);
	assert_int_equal(tree_remove(dir, NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(copies_much_output),
		TEST(copies_much_input),
		TEST(copies_a_file_from_where_it_stands),
		TEST(reads_no_further_than_the_process),
		TEST(has_an_empty_input_without_a_port),
		TEST(closes_input_behind_what_is_there),
		TEST(closes_input_before_the_start),
		TEST(keeps_output_and_error_apart),
		TEST(survives_a_closed_reader),
		TEST(waits_for_a_reader_that_rests),
		TEST(may_be_freed_at_any_time),
		TEST(drops_what_nobody_reads_from_a_fifo),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
