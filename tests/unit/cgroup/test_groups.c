/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of the kernel that runs the tests; skipped for who may not make any. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cgroup/internal.h"

#define DEPTH 1500 /* 3000 bytes of path, and more than the descriptors below */

static struct cgroup *make(const char *name)
{
	auto_free char *path = xasprintf("/kata-c-test-%d/%s", (int)getpid(), name);
	struct cgroup *cg = NULL;

	if (geteuid() != 0 || cgroup_create(path, &cg, NULL) < 0)
		skip();
	return cg;
}

static void destroy(struct cgroup *cg)
{
	struct err err = ERR_INIT;

	assert_int_equal(cgroup_remove(cg, &err), 0);
	cgroup_free(cg);
}

static char *cpus_of(const struct hierarchy *h, const char *group)
{
	auto_free char *file = xasprintf("%s%s/cpuset.cpus", h->mount, group);
	struct str text = STR_INIT;

	assert_int_equal(file_read(file, 4096, &text, NULL), 0);
	str_puts(&text, "");
	return str_take(&text);
}

static const struct hierarchy *cpusets(void)
{
	size_t n;
	const struct hierarchy *h = hierarchies(&n);

	for (size_t i = 0; i < n; i++)
		if (!h[i].v2 && strstr(h[i].name, "cpuset"))
			return &h[i];
	return NULL;
}

static void check_cpus(const struct hierarchy *h, const struct cgroup *cg, const char *want)
{
	auto_free char *now = cpus_of(h, cg->path);

	assert_string_equal(now, want);
}

static void test_cpus(void **state)
{
	struct cgroup *cg = make("a/b");
	const struct hierarchy *h = cpusets();
	auto_free char *all = h ? cpus_of(h, "") : NULL;
	struct cgroup_limits first = { .cpus = "0" };
	struct err err = ERR_INIT;

	(void)state;
	if (!h) { /* version 2 has nothing to do */
		assert_int_equal(cgroup_cpus_came(cg, "0", &err), 0);
		destroy(cg);
		return;
	}
	/* As if there had been one processor when they were made. */
	assert_int_equal(cgroup_limit(cg, &first, &err), 0);
	check_cpus(h, cg, "0\n");
	assert_int_equal(cgroup_cpus_came(cg, NULL, &err), 0);
	check_cpus(h, cg, all);
	assert_int_equal(cgroup_cpus_came(cg, "0", &err), 0);
	check_cpus(h, cg, "0\n");
	assert_true(cgroup_cpus_came(cg, "9999", &err) < 0);
	destroy(cg);
}

/* Deeper than a path is long: each below the one before. */
static void nest(const char *dir)
{
	char back[4096];

	assert_non_null(getcwd(back, sizeof(back)));
	assert_int_equal(chdir(dir), 0);
	for (int i = 0; i < DEPTH; i++) {
		assert_int_equal(mkdir("abc", 0755), 0);
		assert_int_equal(chdir("abc"), 0);
	}
	assert_int_equal(chdir(back), 0);
}

static void test_deep(void **state)
{
	struct cgroup *cg = make("deep");
	struct rlimit few = { .rlim_cur = 64 }, before;
	size_t n;
	const struct hierarchy *h = hierarchies(&n);
	auto_free char *dir = group_dir(&h[0], cg);
	pid_t *pids = NULL;

	(void)state;
	nest(dir);
	getrlimit(RLIMIT_NOFILE, &before);
	few.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	assert_int_equal(cgroup_count(cg), 0);
	assert_int_equal(cgroup_processes(cg, &pids), 0);
	assert_false(cgroup_populated(cg));
	cgroup_signal(cg, 9);
	destroy(cg);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(access(dir, F_OK), -1);
	free(pids);
}

/* Version 1 keeps a frozen process even from SIGKILL. */
static void test_thaw(void **state)
{
	struct cgroup *cg = make("frozen");
	struct err err = ERR_INIT;
	pid_t pid = fork();
	int status, tenths = 0;

	(void)state;
	if (pid == 0) {
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_int_equal(cgroup_attach(cg, pid, &err), 0);
	if (cgroup_freeze(cg, true, &err) < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		fail_msg("%s", err_msg(&err));
	}
	while (!cgroup_frozen(cg) && tenths++ < 100)
		usleep(100000);
	cgroup_thaw_process(pid);
	assert_false(cgroup_frozen(cg));
	kill(pid, SIGKILL);
	for (tenths = 0; waitpid(pid, &status, WNOHANG) == 0 && tenths < 100; tenths++)
		usleep(100000);
	assert_true(tenths < 100);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	destroy(cg);
	/* Nobody, and who is in no group that could be frozen. */
	cgroup_thaw_process(pid);
	cgroup_thaw_process(1);
}

static void test_freezer_path(void **state)
{
	static const struct {
		const char *text, *path;
	} cases[] = {
		{ "", NULL },
		{ "0::/\n", "/" },
		{ "0::/a b:c\n", "/a b:c" },
		{ "3:cpu,cpuacct:/c\n2:freezer:/f/g\n0::/u\n", "/f/g" },
		{ "0::/u\n2:cpu,freezer:/f", "/f" },
		{ "4:freezers:/no\n3:name=freezer:/no\n0::/u\n", "/u" },
		{ "4:cpu:/no\n1:name=systemd:/no\n", NULL },
		{ "nonsense\n::\n:\n0:", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *path = freezer_path(cases[i].text);

		if (!cases[i].path)
			assert_null(path);
		else
			assert_string_equal(path, cases[i].path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_thaw),
		cmocka_unit_test(test_freezer_path),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
