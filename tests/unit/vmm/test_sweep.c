/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "vmm/seccomp.h"
#include "vmm/sweep.h"

#define WAIT_MS 10000

struct fixture {
	char dir[32], path[64];
	int listener;
};

static void make_socket(struct fixture *f)
{
	struct err err = ERR_INIT;

	snprintf(f->dir, sizeof(f->dir), "/tmp/test-sweep-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	f->listener = unix_listen(f->path, 1, &err);
	assert_true(f->listener >= 0);
}

/* The directory can be removed: so there is nothing in it, and nothing else was touched. */
static void is_empty_soon(struct fixture *f)
{
	for (int ms = 0; access(f->path, F_OK) == 0 && ms < WAIT_MS; ms += 10)
		usleep(10000);
	close(f->listener);
	assert_int_equal(rmdir(f->dir), 0);
}

/* However the process ends: it returns, or it is killed. */
static void removed_in_the_end(void **state)
{
	(void)state;
	for (int kill_it = 0; kill_it < 2; kill_it++) {
		struct fixture f;
		pid_t pid;

		make_socket(&f);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			struct err err = ERR_INIT;

			if (sweep_later(f.path, seccomp_sweeper, &err) < 0)
				_exit(1);
			if (!kill_it)
				_exit(0);
			raise(SIGKILL);
		}
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		is_empty_soon(&f);
	}
}

/* As long as the process is there, so is the socket; its helper has no privileges. */
static void not_before(void **state)
{
	char path[64], line[128], children[32] = "";
	struct fixture f;
	struct err err = ERR_INIT;
	bool confined = SANITIZED, bare = false;
	auto_fclose FILE *list = NULL, *status = NULL;
	int ready[2];
	pid_t pid;

	(void)state;
	make_socket(&f);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(30);
		if (sweep_later(f.path, seccomp_sweeper, &err) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], line, 1), 1);
	usleep(50000);
	assert_int_equal(access(f.path, F_OK), 0);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	list = fopen(path, "re");
	if (list && fgets(children, sizeof(children), list)) {
		snprintf(path, sizeof(path), "/proc/%d/status", atoi(children));
		status = fopen(path, "re");
		while (status && fgets(line, sizeof(line), status)) {
			confined |= !strcmp(line, "Seccomp:\t2\n");
			bare |= !strcmp(line, "CapPrm:\t0000000000000000\n");
		}
		assert_true(confined && bare);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ready[0]);
	is_empty_soon(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removed_in_the_end),
		cmocka_unit_test(not_before),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
