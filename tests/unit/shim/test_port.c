/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: never waiting, whatever the descriptor is, and never changing its flags. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/str.h"
#include "host/shim/port.h"

/* A call that does not wait; the machine may be busy. */
#define AT_ONCE_MS 1000

static char dir[] = "/tmp/test-port-XXXXXX";
static char buf[256 << 10];

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(dir, NULL);
}

/* Hand @fd over, as a client does. */
static struct port hand_over(int fd, bool out)
{
	struct port port;

	assert_int_equal(port_open(&port, "stream", "fd:0", out, &fd, 1, NULL), 0);
	assert_int_not_equal(port.fd, fd);
	return port;
}

/* Write until it takes no more, at once. */
static size_t fill(struct port *port)
{
	int64_t start = loop_now_ms();
	size_t total = 0;
	ssize_t n;

	while ((n = port_write(port, buf, sizeof(buf))) > 0)
		total += (size_t)n;
	assert_int_equal(n, -EAGAIN);
	assert_true(loop_now_ms() - start < AT_ONCE_MS);
	return total;
}

static bool nonblocking(int fd)
{
	return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

static void waits_for_no_pipe(void **state)
{
	bool old_kernel = *(const bool *)*state;
	struct port in, out;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	in = hand_over(p[0], false);
	out = hand_over(p[1], true);
	in.no_nowait = out.no_nowait = old_kernel;
	assert_int_equal(port_read(&in, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(port_write(&out, "abc", 3), 3);
	assert_int_equal(port_read(&in, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "abc", 3);
	assert_true(fill(&out) >= 4096);
	assert_false(nonblocking(p[0]) || nonblocking(p[1]));
	close(p[0]);
	port_close(&in);
	assert_int_equal(port_write(&out, "abc", 3), -EPIPE);
	port_close(&out);
	close(p[1]);
}

static void sees_the_end_of_a_pipe(void **state)
{
	bool old_kernel = *(const bool *)*state;
	struct port in;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	in = hand_over(p[0], false);
	in.no_nowait = old_kernel;
	assert_int_equal(write(p[1], "x", 1), 1);
	close(p[1]);
	assert_int_equal(port_read(&in, buf, sizeof(buf)), 1);
	assert_int_equal(port_read(&in, buf, sizeof(buf)), 0);
	port_close(&in);
	close(p[0]);
}

static void waits_for_no_socket(void **state)
{
	struct port port;
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	port = hand_over(s[0], true);
	assert_int_equal(port.kind, PORT_SOCKET);
	assert_int_equal(port_read(&port, buf, sizeof(buf)), -EAGAIN);
	assert_true(fill(&port) > 0);
	assert_int_equal(write(s[1], "in", 2), 2);
	assert_int_equal(port_read(&port, buf, sizeof(buf)), 2);
	close(s[1]);
	assert_int_equal(port_write(&port, "abc", 3), -EPIPE);
	assert_false(nonblocking(s[0]));
	port_close(&port);
	close(s[0]);
}

static void waits_for_no_terminal(void **state)
{
	struct termios raw;
	struct port port;
	int master, slave;

	(void)state;
	cfmakeraw(&raw);
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
	port = hand_over(slave, true);
	assert_int_equal(port_read(&port, buf, sizeof(buf)), -EAGAIN);
	assert_true(fill(&port) > 0); /* nobody reads the other side */
	assert_int_equal(write(master, "key", 3), 3);
	assert_int_equal(port_read(&port, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "key", 3);
	assert_false(nonblocking(slave));
	close(master);
	assert_int_equal(port_read(&port, buf, sizeof(buf)), 0);
	assert_true(port_write(&port, "x", 1) < 0);
	port_close(&port);
	close(slave);
}

/* Another process was quicker than poll() said: the call comes back nevertheless. */
static void comes_back_when_another_was_quicker(void **state)
{
	struct termios cooked;
	struct port port;
	int master, slave;
	int64_t start;

	(void)state;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(slave, &cooked), 0);
	cooked.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	cooked.c_cc[VMIN] = 200; /* poll() tells of one byte, read() waits for more */
	cooked.c_cc[VTIME] = 0;
	assert_int_equal(tcsetattr(slave, TCSANOW, &cooked), 0);
	port = hand_over(slave, false);
	assert_int_equal(write(master, "z", 1), 1);
	start = loop_now_ms();
	assert_true(port_read(&port, buf, sizeof(buf)) != 0);
	assert_true(loop_now_ms() - start < AT_ONCE_MS);
	port_close(&port);
	close(slave);
	close(master);
}

static void shares_a_files_offset(void **state)
{
	auto_free char *path = path_join(dir, "file");
	struct port port;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
	port = hand_over(fd, true);
	assert_int_equal(port.kind, PORT_DIRECT);
	assert_int_equal(port_read(&port, buf, 2), 2);
	assert_memory_equal(buf, "34", 2);
	assert_int_equal(port_write(&port, "XY", 2), 2);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 7);
	assert_int_equal(pread(fd, buf, 10, 0), 10);
	assert_memory_equal(buf, "01234XY789", 10);
	lseek(fd, 0, SEEK_END);
	assert_int_equal(port_read(&port, buf, 2), 0);
	port_close(&port);
	close(fd);
}

static void takes_devices(void **state)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct port port = hand_over(null, true);

	(void)state;
	assert_int_equal(port_write(&port, buf, 100) > 0, 1);
	assert_int_equal(port_read(&port, buf, 100), 0);
	port_close(&port);
	close(null);
	null = open("/dev/full", O_RDWR | O_CLOEXEC);
	port = hand_over(null, true);
	assert_int_equal(port_write(&port, buf, 100), -ENOSPC);
	port_close(&port);
	close(null);
}

/* containerd's FIFOs: their readers and writers come and go. */
static void needs_no_peer_at_a_fifo(void **state)
{
	auto_free char *path = path_join(dir, "fifo");
	auto_free char *uri = xasprintf("fifo://%s", path);
	struct pollfd p;
	struct port in, out;
	int reader;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(port_open(&in, "stdin", path, false, NULL, 0, NULL), 0);
	assert_int_equal(in.kind, PORT_PRIVATE);
	/* That no writer has come yet is not the end. */
	p = (struct pollfd){ .fd = in.fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	port_close(&in);

	assert_int_equal(port_open(&out, "stdout", uri, true, NULL, 0, NULL), 0);
	assert_int_equal(port_write(&out, "early", 5), 5);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(read(reader, buf, sizeof(buf)), 5);
	close(reader);
	assert_int_equal(port_write(&out, "kept", 4), 4);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(read(reader, buf, sizeof(buf)), 4);
	fill(&out);
	port_close(&out);
	close(reader);
}

static void appends_to_files(void **state)
{
	auto_free char *path = path_join(dir, "log");
	auto_free char *uri = xasprintf("file://%s", path);
	struct port port;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(port_open(&port, "stdout", uri, true, NULL, 0, NULL), 0);
		assert_int_equal(port_write(&port, "line\n", 5), 5);
		port_close(&port);
	}
	assert_int_equal(port_open(&port, "stdin", uri, false, NULL, 0, NULL), 0);
	assert_int_equal(port_read(&port, buf, sizeof(buf)), 10);
	port_close(&port);
}

static void may_be_none(void **state)
{
	struct port port;

	(void)state;
	assert_int_equal(port_open(&port, "stdin", "", false, NULL, 0, NULL), 0);
	assert_int_equal(port.fd, -1);
	assert_int_equal(port_open(&port, "stdin", NULL, false, NULL, 0, NULL), 0);
	port_close(&port);
}

static void names_the_stream_that_fails(void **state)
{
	auto_free char *none = path_join(dir, "none"), *file = path_join(dir, "plain");
	auto_free char *no_fifo = xasprintf("fifo://%s", file);
	const struct {
		const char *where, *text;
		int code;
	} cases[] = {
		{ "fd:1", "stdout: no descriptor 1 came with the request", -EINVAL },
		{ "fd:-1", "stdout: \"-1\" is no number of a descriptor", -EINVAL },
		{ "fd:", "stdout: \"\" is no number of a descriptor", -EINVAL },
		{ "binary:///bin/sh", "stdout: \"binary:///bin/sh\" is neither", -EINVAL },
		{ "relative", "stdout: \"relative\" is neither", -EINVAL },
		{ "file://relative", "stdout: \"file://relative\" is neither", -EINVAL },
		{ none, "stdout: /tmp/", -ENOENT },
		{ no_fifo, "is no FIFO", -EINVAL },
	};
	struct port port;

	(void)state;
	assert_int_equal(file_replace(file, "", 0, 0600, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		int fd = 0;

		assert_int_equal(port_open(&port, "stdout", cases[i].where, true, &fd, 1, &err),
				 cases[i].code);
		assert_non_null(strstr(err.msg, cases[i].text));
		assert_int_equal(port.fd, -1);
	}
}

int main(void)
{
	static bool no = false, yes = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(waits_for_no_pipe, &no),
		{ "waits_for_no_pipe_of_an_old_kernel", waits_for_no_pipe, NULL, NULL, &yes },
		cmocka_unit_test_prestate(sees_the_end_of_a_pipe, &no),
		{ "sees_the_end_of_a_pipe_of_an_old_kernel", sees_the_end_of_a_pipe, NULL, NULL,
		  &yes },
		cmocka_unit_test(waits_for_no_socket),
		cmocka_unit_test(waits_for_no_terminal),
		cmocka_unit_test(comes_back_when_another_was_quicker),
		cmocka_unit_test(shares_a_files_offset),
		cmocka_unit_test(takes_devices),
		cmocka_unit_test(needs_no_peer_at_a_fifo),
		cmocka_unit_test(appends_to_files),
		cmocka_unit_test(may_be_none),
		cmocka_unit_test(names_the_stream_that_fails),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
