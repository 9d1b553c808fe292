/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/str.h"

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void collects_output(void **state)
{
	auto_str struct str out = STR_INIT;
	struct err err = ERR_INIT;
	int status = proc_run(ARGV("/bin/sh", "-c", "echo out; echo err >&2; exit 3"), 5000, 100,
			      &out, &err);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_string_equal(str_text(&out), "out\nerr\n");
}

static void missing_program_is_named(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(proc_run(ARGV("/nonexistent/qemu"), 1000, 0, NULL, &err), -ENOENT);
	assert_string_equal(err_msg(&err), "/nonexistent/qemu: No such file or directory");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void run_is_limited(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(proc_run(ARGV("/bin/sleep", "60"), 50, 0, NULL, &err), -ETIMEDOUT);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	/* Also when the program closes its output and lives on. */
	assert_int_equal(
		proc_run(ARGV("/bin/sh", "-c", "exec >&- 2>&-; exec sleep 60"), 100, 0, NULL, &err),
		-ETIMEDOUT);
}

/* The child sees what it was given and nothing else. */
static void child_gets_only_its_descriptors(void **state)
{
	struct proc_spec spec = { .stdio = { -1, -1, -1 }, .nkeep = 1 };
	auto_str struct str script = STR_INIT;
	struct err err = ERR_INIT;
	int extra, kept, status;
	struct proc proc;

	(void)state;
	extra = open("/dev/null", O_RDONLY);
	kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
	str_printf(&script, "[ -e /proc/self/fd/%d ] && [ ! -e /proc/self/fd/%d ]", kept, extra);
	spec.argv = ARGV("/bin/sh", "-c", str_text(&script));
	spec.keep = &kept;
	assert_int_equal(proc_spawn(&spec, &proc, &err), 0);
	assert_int_equal(waitpid(proc.pid, &status, 0), proc.pid);
	assert_int_equal(status, 0);
	close(proc.pidfd);
	close(extra);
	close(kept);
}

static int still_has(void *arg)
{
	return fcntl(*(int *)arg, F_GETFD) < 0 ? -errno : 0;
}

/* What it needs on the way to its program the program has not. */
static void a_descriptor_until_exec(void **state)
{
	struct proc_spec spec = { .stdio = { -1, -1, -1 }, .before_exec = still_has };
	auto_str struct str script = STR_INIT;
	struct err err = ERR_INIT;
	int fd = open("/dev/null", O_RDONLY), status;
	struct proc proc;

	(void)state;
	str_printf(&script, "[ ! -e /proc/self/fd/%d ]", fd);
	spec.argv = ARGV("/bin/sh", "-c", str_text(&script));
	spec.before_exec_arg = &fd;
	assert_int_equal(proc_spawn(&spec, &proc, &err), -EBADF);
	spec.until_exec = fd;
	assert_int_equal(proc_spawn(&spec, &proc, &err), 0);
	assert_int_equal(waitpid(proc.pid, &status, 0), proc.pid);
	assert_int_equal(status, 0);
	close(proc.pidfd);
	close(fd);
}

static bool may_have_namespaces(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(unshare(CLONE_NEWPID) < 0);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* Who may not have a namespace of processes starts its child without. */
static void first_of_its_processes(void **state)
{
	struct proc_spec spec = { .stdio = { -1, -1, -1 },
				  .argv = ARGV("/bin/sh", "-c", "[ $$ = 1 ]"),
				  .first_pid = true,
				  .die_with_parent = true };
	struct err err = ERR_INIT;
	struct proc proc;
	int status;

	(void)state;
	assert_int_equal(proc_spawn(&spec, &proc, &err), 0);
	assert_int_equal(waitpid(proc.pid, &status, 0), proc.pid);
	assert_int_equal(status == 0, may_have_namespaces());
	close(proc.pidfd);
}

/* Standard descriptors may be given in any order, even crossed. */
static void stdio_may_be_crossed(void **state)
{
	struct proc_spec spec = { .argv = ARGV("/bin/sh", "-c", "echo o; echo e >&2") };
	struct err err = ERR_INIT;
	int o[2], e[2], status;
	struct proc proc;
	char buf[8] = "";

	(void)state;
	assert_int_equal(pipe(o), 0);
	assert_int_equal(pipe(e), 0);
	spec.stdio[0] = -1;
	spec.stdio[1] = o[1];
	spec.stdio[2] = e[1];
	assert_int_equal(proc_spawn(&spec, &proc, &err), 0);
	assert_int_equal(waitpid(proc.pid, &status, 0), proc.pid);
	assert_int_equal(read(o[0], buf, 8), 2);
	assert_memory_equal(buf, "o\n", 2);
	assert_int_equal(read(e[0], buf, 8), 2);
	assert_memory_equal(buf, "e\n", 2);
	close(proc.pidfd);
	for (int i = 0; i < 2; i++) {
		close(o[i]);
		close(e[i]);
	}
}

static void a_process_is_known_by_its_start(void **state)
{
	pid_t pid = fork();
	uint64_t start;

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	start = proc_start_time(pid);
	assert_true(start > 0);
	assert_true(proc_alive(pid, start));
	assert_false(proc_alive(pid, start + 1));
	assert_false(proc_kill(pid, start + 1, SIGKILL));
	assert_true(proc_kill(pid, start, SIGKILL));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(proc_alive(pid, start));
	assert_int_equal(proc_start_time(pid), 0);
	assert_false(proc_kill(-1, 0, SIGKILL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(collects_output),
		cmocka_unit_test(missing_program_is_named),
		cmocka_unit_test(run_is_limited),
		cmocka_unit_test(child_gets_only_its_descriptors),
		cmocka_unit_test(a_descriptor_until_exec),
		cmocka_unit_test(first_of_its_processes),
		cmocka_unit_test(stdio_may_be_crossed),
		cmocka_unit_test(a_process_is_known_by_its_start),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
