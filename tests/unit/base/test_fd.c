/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

static void passes_descriptors(void **state)
{
	int s[2], p[2], got[4];
	size_t n = 4;
	char buf[8];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(fd_send(s[0], "hello", 5, p, 2), 5);
	assert_int_equal(fd_recv(s[1], buf, sizeof(buf), got, &n), 5);
	assert_int_equal(n, 2);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(write(got[1], "x", 1), 1);
	assert_int_equal(read(p[0], buf, 1), 1);
	assert_int_equal(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		close(s[i]);
		close(p[i]);
		close(got[i]);
	}
}

/* What does not fit must not leak into the process. */
/* One end of a pipe twice: the copy waits for nobody, the other does as it did. */
static void own_nonblocking_description(void **state)
{
	char byte[4096] = "";
	int p[2], own, s[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	own = dup(p[1]);
	assert_int_equal(fd_own_nonblock(&own, O_WRONLY), 0);
	assert_true(fcntl(own, F_GETFD) & FD_CLOEXEC);
	while (write(own, byte, sizeof(byte)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_false(fcntl(p[1], F_GETFL) & O_NONBLOCK);
	close(own);
	close(p[0]);
	close(p[1]);
	/* Sockets have no second one, and stay as they are. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	own = s[0];
	assert_true(fd_own_nonblock(&own, O_RDWR) < 0);
	assert_int_equal(own, s[0]);
	assert_false(fcntl(own, F_GETFL) & O_NONBLOCK);
	close(s[0]);
	close(s[1]);
}

static void closes_what_does_not_fit(void **state)
{
	int s[2], got[1], before, after, fds[3] = { 0, 0, 0 };
	size_t n = 1;
	char c;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	before = dup(0);
	close(before);
	assert_int_equal(fd_send(s[0], "x", 1, fds, 3), 1);
	assert_int_equal(fd_recv(s[1], &c, 1, got, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	close(s[0]);
	close(s[1]);
}

static void send_to_closed_peer_is_an_error(void **state)
{
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	close(s[1]);
	assert_int_equal(fd_send(s[0], "x", 1, NULL, 0), -EPIPE);
	close(s[0]);
}

static void reaches_long_socket_paths(void **state)
{
	char dir[] = "/tmp/test-fd-XXXXXX";
	auto_str struct str path = STR_INIT;
	struct err err = ERR_INIT;
	int fd, peer;

	(void)state;
	assert_non_null(mkdtemp(dir));
	str_printf(&path, "%s/%0150d", dir, 1);
	assert_int_equal(dir_make(str_text(&path), 0700, &err), 0);
	str_puts(&path, "/shim.sock");
	fd = unix_listen(str_text(&path), 1, &err);
	assert_true(fd >= 0);
	peer = unix_connect(str_text(&path), false, &err);
	assert_true(peer >= 0);
	close(peer);
	assert_int_equal(unix_listen(str_text(&path), 1, &err), -EADDRINUSE);
	close(fd);
	assert_int_equal(unix_connect(str_text(&path), false, &err), -ECONNREFUSED);
	assert_int_equal(tree_remove(dir, &err), 0);
	assert_int_equal(access(dir, F_OK), -1);
}

static void end_of_file_is_told(void **state)
{
	char buf[4];
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "ab", 2), 2);
	close(p[1]);
	assert_int_equal(fd_read_full(p[0], buf, 4), -ENODATA);
	close(p[0]);
}

/* In a child: the runner of the tests reads this one's output. */
static void standard_descriptors_are_there(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		int kept;

		close_range(STDERR_FILENO, ~0U, 0);
		close(STDIN_FILENO);
		fd_open_standard();
		kept = open("/dev/null", O_RDONLY);
		_exit(kept != 3 || fcntl(STDIN_FILENO, F_GETFL) < 0 ||
		      fcntl(STDERR_FILENO, F_GETFL) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_nonblocking_description),
		cmocka_unit_test(passes_descriptors),
		cmocka_unit_test(closes_what_does_not_fit),
		cmocka_unit_test(send_to_closed_peer_is_an_error),
		cmocka_unit_test(reaches_long_socket_paths),
		cmocka_unit_test(end_of_file_is_told),
		cmocka_unit_test(standard_descriptors_are_there),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("fd", tests, NULL, NULL);
}
