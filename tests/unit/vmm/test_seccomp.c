/* SPDX-License-Identifier: Apache-2.0 */
/* Each call is tried in a child, under the filter; the table is read here anew. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "vmm/seccomp.h"
#include "vmm/terminal.h"

#define CALLS_MAX 1024 /* above all numbers that there are */

enum kind { LOOP, VCPU, DOORMAN, SWEEPER };

static const char *const kinds[] = { "loop", "vcpu", "doorman", "sweeper" };

struct rule {
	bool allowed, checked; /* checked: by an argument */
};

static struct rule rules[4][CALLS_MAX];

static long number_of(const char *name)
{
	for (long nr = 0; nr < CALLS_MAX; nr++) {
		const char *other = seccomp_call_name(nr);

		if (other && !strcmp(name, other))
			return nr;
	}
	return -1;
}

/* Every call is one of this machine, and every test that is named is there. */
static int read_table(void **state)
{
	auto_fclose FILE *f = fopen(SOURCE_ROOT "/vmm/seccomp.table", "re");
	char line[512], kind[16], call[64], argument[64];

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		const char *test = line;
		long nr;

		if (line[0] == '#' || line[0] == '\n')
			continue;
		assert_int_equal(sscanf(line, "%15s %63s %63s", kind, call, argument), 3);
		nr = number_of(call);
		if (nr < 0)
			fail_msg("%s is no system call", call);
		for (int k = LOOP; k <= SWEEPER; k++) {
			if (strcmp(kind, kinds[k]) != 0 && (k > VCPU || strcmp(kind, "both") != 0))
				continue;
			rules[k][nr].allowed = true;
			rules[k][nr].checked |= strcmp(argument, "-") != 0;
		}
		while ((test = strstr(test, "tests/"))) {
			char path[512];
			int len = (int)strcspn(test, " ,;\n");

			snprintf(path, sizeof(path), "%s/%.*s", SOURCE_ROOT, len, test);
			if (access(path, R_OK) < 0)
				fail_msg("%s: no such test", path);
			test += len;
		}
	}
	return 0;
}

struct
try {
	enum kind kind;
	long nr, args[6];
};

static int enter(enum kind kind, struct err *err)
{
	static int (*const confine[])(struct err * err) = { seccomp_loop, seccomp_vcpu,
							    seccomp_doorman, seccomp_sweeper };

	return confine[kind](err);
}

/*
 * Make the call in a child under the filter. Returns the status as of waitpid() and what
 * was logged; a call that returned ends the child with 0.
 */
static int try_call(const struct try *t, struct str *log)
{
	auto_close int r = -1, w = -1;
	int p[2], status;
	char buf[1024];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	r = p[0];
	w = p[1];
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err err = ERR_INIT;

		/* Dead children of this kind leave nothing. */
		prctl(PR_SET_DUMPABLE, 0);
		log_open(w, "test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
		if (enter(t->kind, &err) < 0)
			_exit(100);
		syscall(t->nr, t->args[0], t->args[1], t->args[2], t->args[3], t->args[4],
			t->args[5]);
		_exit(0);
	}
	close_fd(&w);
	while ((n = read(r, buf, sizeof(buf))) > 0)
		str_add(log, buf, (size_t)n);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static void expect_forbidden(const struct try *t, const char *name)
{
	auto_str struct str log = STR_INIT;
	int status = try_call(t, &log);
	char want[160];

	if (!killed(status))
		fail_msg("%s thread, %s: status %#x", kinds[t->kind], name, status);
	snprintf(want, sizeof(want), "forbidden system call %s(", name);
	assert_non_null(strstr(str_text(&log), want));
	snprintf(want, sizeof(want), "by a %s thread\n", kinds[t->kind]);
	assert_true(str_ends(str_text(&log), want));
	/* One line. */
	assert_ptr_equal(strchr(log.data, '\n'), log.data + log.len - 1);
}

static void expect_allowed(const struct try *t, const char *name)
{
	auto_str struct str log = STR_INIT;
	int status = try_call(t, &log);

	if (killed(status))
		fail_msg("%s thread: %s: %s", kinds[t->kind], name, str_text(&log));
}

static void what_is_not_in_the_table_kills_and_is_named(void **state)
{
	unsigned tried = 0;

	(void)state;
	for (int k = LOOP; k <= SWEEPER; k++)
		for (long nr = 0; nr < CALLS_MAX; nr++) {
			struct try t = { (enum kind)k, nr, { 0 } };

			if (!seccomp_call_name(nr) || rules[k][nr].allowed)
				continue;
			expect_forbidden(&t, seccomp_call_name(nr));
			tried++;
		}
	assert_true(tried > 500);
}

/* With arguments that none of them takes, so that nothing happens. */
static void what_is_in_the_table_passes(void **state)
{
	(void)state;
	for (int k = LOOP; k <= SWEEPER; k++)
		for (long nr = 0; nr < CALLS_MAX; nr++) {
			struct try t = { (enum kind)k, nr, { -1, -1, -1, -1, -1, -1 } };

			if (rules[k][nr].allowed && !rules[k][nr].checked && nr != SYS_rt_sigreturn)
				expect_allowed(&t, seccomp_call_name(nr));
		}
}

static void arguments_are_looked_at(void **state)
{
	static const struct {
		struct try t;
		bool allowed;
	} tries[] = {
		{ { VCPU, SYS_ioctl, { -1, KVM_RUN } }, true },
		{ { VCPU, SYS_ioctl, { -1, KVM_KVMCLOCK_CTRL } }, true },
		{ { VCPU, SYS_ioctl, { -1, KVM_GET_SREGS } }, false },
		{ { VCPU, SYS_ioctl, { -1, TUNSETOFFLOAD } }, false },
		{ { VCPU, SYS_ioctl, { -1, KVM_SET_USER_MEMORY_REGION } }, false },
		{ { LOOP, SYS_ioctl, { -1, TUNSETOFFLOAD } }, true },
		{ { LOOP, SYS_ioctl, { -1, TCSETS } }, true },
		{ { LOOP, SYS_ioctl, { -1, TCGETS } }, true },
		{ { LOOP, SYS_ioctl, { -1, TIOCSTI } }, false },
		{ { LOOP, SYS_ioctl, { -1, KVM_RUN } }, false },
		/* The kernel ignores an ioctl's upper half as well. */
		{ { VCPU, SYS_ioctl, { -1, KVM_RUN | 1L << 40 } }, true },
		{ { LOOP, SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, -1, -1, 0 } }, true },
		{ { LOOP, SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, -1, -1, 0 } }, false },
		{ { VCPU, SYS_mmap, { 0, 4096, PROT_EXEC | 1L << 40, -1, -1, 0 } }, false },
		{ { LOOP, SYS_mprotect, { 0, 0, PROT_READ } }, true },
		{ { LOOP, SYS_mprotect, { 0, 0, PROT_READ | PROT_EXEC } }, false },
		{ { VCPU, SYS_mprotect, { 0, 0, PROT_EXEC } }, false },
		{ { DOORMAN, SYS_socket, { AF_UNIX, -1 } }, true },
		{ { DOORMAN, SYS_socket, { AF_INET, SOCK_STREAM } }, false },
		{ { DOORMAN, SYS_openat, { -1, 0, O_PATH | O_DIRECTORY | O_CLOEXEC } }, true },
		{ { DOORMAN, SYS_openat, { -1, 0, O_RDONLY } }, false },
		{ { DOORMAN, SYS_openat, { -1, 0, O_RDONLY | O_DIRECTORY | O_CLOEXEC } }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		const char *name = seccomp_call_name(tries[i].t.nr);

		if (tries[i].allowed)
			expect_allowed(&tries[i].t, name);
		else
			expect_forbidden(&tries[i].t, name);
	}
}

static void calls_without_a_name_kill(void **state)
{
	auto_str struct str log = STR_INIT;
	struct try none = { LOOP, 2000, { 1, 2, 0xabc } };

	(void)state;
	assert_true(killed(try_call(&none, &log)));
	assert_non_null(strstr(str_text(&log),
			       "forbidden system call number 2000(0x1, 0x2, 0xabc, …) by a loop"));
#ifdef __x86_64__
	/* x32: read(), if it were not another number. */
	none = (struct try){ LOOP, 0x40000000, { 0 } };
	assert_true(killed(try_call(&none, &log)));
#endif
}

/* The 32-bit entry has numbers of its own: write() is its 4, our stat(). */
static void other_architectures_kill(void **state)
{
#ifdef __x86_64__
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct err err = ERR_INIT;
		long r = 20; /* getpid() there */

		prctl(PR_SET_DUMPABLE, 0);
		if (seccomp_loop(&err) < 0)
			_exit(100);
		__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* A kernel without that entry sends SIGSEGV. */
	assert_true(WIFSIGNALED(status));
#else
	(void)state;
#endif
}

static void *thread_main(void *arg)
{
	struct err err = ERR_INIT;

	(void)arg;
	if (seccomp_vcpu(&err) < 0)
		_exit(100);
	free(malloc(1 << 20));
	return NULL;
}

/* Threads of both kinds: locks, the allocator, the log, a thread's end, abort(). */
static void the_c_library_lives(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err err = ERR_INIT;
		pthread_t threads[4];

		prctl(PR_SET_DUMPABLE, 0);
		log_open(STDERR_FILENO, "test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
		for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
			if (pthread_create(&threads[i], NULL, thread_main, NULL))
				_exit(101);
		if (seccomp_loop(&err) < 0)
			_exit(102);
		for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
			pthread_join(threads[i], NULL);
		for (size_t size = 1; size < 64 << 20; size *= 3) {
			char *p = malloc(size);

			memset(p, 1, size);
			p = realloc(p, size * 2);
			free(p);
		}
		log_error("# a line of the log, and an end");
		abort();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* The terminal becomes what it was, with all that the C library does for it. */
static void the_terminal_is_restored(void **state)
{
	struct termios before = { 0 }, after = { 0 };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave, status;
	pid_t pid;

	(void)state;
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0 && tcgetattr(slave, &before) == 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err err = ERR_INIT;

		prctl(PR_SET_DUMPABLE, 0);
		if (terminal_raw(slave, &err) != 1 || seccomp_loop(&err) < 0)
			_exit(100);
		terminal_restore();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(tcgetattr(slave, &after), 0);
	assert_memory_equal(&after, &before, sizeof(after));
	close(slave);
	close(master);
}

/* The log as lines of JSON stays that. */
static void named_in_json(void **state)
{
	auto_close int r = -1, w = -1;
	char buf[512] = "";
	int p[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	r = p[0];
	w = p[1];
	pid = fork();
	if (pid == 0) {
		struct err err = ERR_INIT;

		prctl(PR_SET_DUMPABLE, 0);
		log_open(w, "test", LOG_LEVEL_ERROR, LOG_FORMAT_JSON);
		if (seccomp_vcpu(&err) < 0)
			_exit(100);
		syscall(SYS_openat, 1, 2, 3);
		_exit(0);
	}
	close_fd(&w);
	assert_true(read(r, buf, sizeof(buf) - 1) > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(killed(status));
	assert_string_equal(buf, "{\"msg\":\"forbidden system call openat(0x1, 0x2, 0x3, …) by a "
				 "vcpu thread\",\"level\":\"error\",\"name\":\"test\"}\n");
}

static void the_sanitizers_go_without(void **state)
{
	auto_str struct str log = STR_INIT;
	struct try t = { LOOP, SYS_getppid, { 0 } };

	(void)state;
	assert_int_equal(try_call(&t, &log), 0);
	assert_non_null(strstr(str_text(&log), "no filter of system calls for a loop thread"));
}

int main(void)
{
	const struct CMUnitTest filtered[] = {
		cmocka_unit_test(what_is_not_in_the_table_kills_and_is_named),
		cmocka_unit_test(what_is_in_the_table_passes),
		cmocka_unit_test(arguments_are_looked_at),
		cmocka_unit_test(calls_without_a_name_kill),
		cmocka_unit_test(other_architectures_kill),
		cmocka_unit_test(the_c_library_lives),
		cmocka_unit_test(the_terminal_is_restored),
		cmocka_unit_test(named_in_json),
	};
	const struct CMUnitTest sanitized[] = {
		cmocka_unit_test(the_sanitizers_go_without),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (SANITIZED)
		return cmocka_run_group_tests(sanitized, read_table, NULL);
	return cmocka_run_group_tests(filtered, read_table, NULL);
}
