/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"

/* Of a program that is not to be held up by whoever reads its errors. */
static void a_socket_is_not_waited_for(void **state)
{
	static const char end[] = "info test[1]: a line";
	char line[256];
	size_t lines = 0;
	int pair[2];
	ssize_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	log_open(pair[1], "test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_never_wait();
	/* More than a socket takes; without a limit it would hang here. */
	for (unsigned i = 0; i < 100000; i++)
		log_info("a line");
	log_bytes("whatever", 8);
	log_in_signal(LOG_LEVEL_INFO, "a line");
	while ((n = recv(pair[0], line, sizeof(line), MSG_DONTWAIT)) > 0) {
		lines++;
		assert_int_equal(line[n - 1], '\n');
		assert_memory_equal(line + n - 9, ": a line", 8);
	}
	assert_true(lines > 10 && lines < 100000);
	/* There is room again. */
	log_bytes(end, sizeof(end));
	assert_int_equal(recv(pair[0], line, sizeof(line), MSG_DONTWAIT), sizeof(end));
	assert_string_equal(line, end);
	/* The other end's death is no signal's matter. */
	close(pair[0]);
	log_info("to nobody");
	log_open(-1, "", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	close(pair[1]);
}

/* Of any other program each line counts. */
static void otherwise_it_is(void **state)
{
	char line[256];
	int pair[2];
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pair[0]);
		log_open(pair[1], "test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
		for (unsigned i = 0; i < 2000; i++)
			log_info("a line");
		_exit(0);
	}
	close(pair[1]);
	for (unsigned i = 0; i < 2000; i++) {
		assert_true(fd_poll(pair[0], POLLIN, 20000) > 0);
		assert_true(recv(pair[0], line, sizeof(line), 0) > 0);
	}
	assert_int_equal(recv(pair[0], line, sizeof(line), 0), 0);
	close(pair[0]);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_is_not_waited_for),
		cmocka_unit_test(otherwise_it_is),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
