/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's control group, in the layout of this host, in version 1 alone and in
 * version 2 alone as far as this host has them. Needs root.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/proc.h"
#include "cgroup/cgroup.h"
#include "host/sandbox/group.h"

static char base[] = "/tmp/test-group-XXXXXX";
static char *root, *top;
static struct loop *loop;

static struct sandbox_state *new_state(const char *id)
{
	struct sandbox_state *st = state_new(root, id);

	assert_int_equal(state_create(st, NULL), 0);
	return st;
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGTERM, SIG_IGN);
		pause();
		_exit(0);
	}
	return pid;
}

static bool lives_in(pid_t pid, const char *path)
{
	auto_free char *file = xasprintf("/proc/%d/cgroup", (int)pid);
	auto_str struct str text = STR_INIT;
	auto_free char *end = xasprintf(":%s\n", path);

	assert_int_equal(file_read(file, 65536, &text, NULL), 0);
	return strstr(str_text(&text), end);
}

struct outcome {
	bool done;
	struct err err;
};

static void on_done(const struct err *err, void *arg)
{
	struct outcome *o = arg;

	o->done = true;
	if (err)
		o->err = *err;
}

static void remove_group(struct group *g, struct outcome *o)
{
	int64_t end = loop_now_ms() + 20000;

	*o = (struct outcome){ 0 };
	group_remove(g, loop, on_done, o);
	assert_false(o->done);
	while (!o->done && loop_now_ms() < end)
		loop_step(loop, 100);
	assert_true(o->done);
	group_free(g);
}

static bool journal_has(const char *id, const char *path)
{
	struct sandbox_state *st = NULL;
	bool has;

	assert_int_equal(state_load(root, id, &st, NULL), 0);
	has = st->cgroups.n == 1 && !strcmp(st->cgroups.v[0], path);
	state_free(st);
	return has;
}

/* One process enters by itself, with what it then forks; another is moved. */
static void processes_live_in_it(void **state)
{
	struct sandbox_state *st = new_state("live");
	auto_free char *path = xasprintf("%s/pod/live", top);
	struct cgroup *look = cgroup_open(path);
	pid_t pid = sleeper();
	struct group *g = NULL;
	struct err err = ERR_INIT;
	struct outcome o;
	struct proc proc;
	struct proc_spec spec = {
		.argv = (const char *const[]){ "/bin/sleep", "100", NULL },
		.stdio = { -1, -1, -1 },
		.before_exec = group_enter,
	};

	(void)state;
	assert_int_equal(group_make(st, path, &g, &err), 0);
	assert_non_null(g);
	assert_true(journal_has("live", path));
	group_add(g, pid);
	spec.before_exec_arg = g;
	assert_int_equal(proc_spawn(&spec, &proc, NULL), 0);
	assert_true(lives_in(pid, path));
	assert_true(lives_in(proc.pid, path));
	assert_int_equal(cgroup_count(look), 2);

	/* What does not end by itself is ended. */
	remove_group(g, &o);
	assert_int_equal(o.err.code, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(waitpid(proc.pid, NULL, 0), proc.pid);
	close(proc.pidfd);
	assert_int_equal(st->cgroups.n, 0);
	assert_int_equal(cgroup_count(look), 0);
	cgroup_free(look);
	state_free(st);
}

/* The least limit on the way up counts. */
static void room_is_what_the_groups_above_leave(void **state)
{
	static const struct {
		const char *group;
		int64_t limit;
	} limits[] = { { "", 64 << 20 }, { "/tight", 8 << 20 }, { "/tight/wide", -1 } };
	static const struct {
		const char *group;
		uint64_t room;
	} cases[] = {
		{ "", 64 << 20 },
		{ "/new/newer", 64 << 20 },
		{ "/tight/wide/new", 8 << 20 },
	};
	struct cgroup *cgs[ARRAY_SIZE(limits)];
	bool limited = true; /* not every layout has a memory controller */

	(void)state;
	assert_true(group_room("") == UINT64_MAX);
	assert_true(group_room("/a/../../b") == UINT64_MAX);
	assert_true(group_room("/no-such-group/below") == UINT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		auto_free char *path = xasprintf("%s/room%s", top, limits[i].group);
		const struct cgroup_limits l = { .memory = limits[i].limit };

		assert_int_equal(cgroup_create(path, &cgs[i], NULL), 0);
		limited = cgroup_limit(cgs[i], &l, NULL) == 0 && limited;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *path = xasprintf("%s/room%s", top, cases[i].group);

		assert_true(group_room(path) == (limited ? cases[i].room : UINT64_MAX));
	}
	for (size_t i = ARRAY_SIZE(limits); i-- > 0;) {
		assert_int_equal(cgroup_remove(cgs[i], NULL), 0);
		cgroup_free(cgs[i]);
	}
}

static void a_group_in_use_is_refused(void **state)
{
	struct sandbox_state *st = new_state("first"), *st2 = new_state("second");
	auto_free char *path = xasprintf("%s/used", top);
	struct group *g = NULL, *g2 = (void *)1;
	struct err err = ERR_INIT;
	pid_t pid = sleeper();
	struct outcome o;

	(void)state;
	assert_int_equal(group_make(st, path, &g, &err), 0);
	group_add(g, pid);
	assert_int_equal(group_make(st2, path, &g2, &err), -EBUSY);
	assert_null(g2);
	assert_non_null(strstr(err.msg, "linux.cgroupsPath: 1 processes live in"));
	assert_int_equal(st2->cgroups.n, 0);
	/* Nor one above it. */
	assert_int_equal(group_make(st2, top, &g2, &err), -EBUSY);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	remove_group(g, &o);
	/* One that is there and empty is taken, and goes with the sandbox. */
	assert_int_equal(group_make(st2, path, &g2, NULL), 0);
	remove_group(g2, &o);
	assert_int_equal(o.err.code, 0);
	state_free(st);
	state_free(st2);
}

static void what_is_no_path_is_refused(void **state)
{
	static const char *const bad[] = { "/", "/a/../../b", "x:y:z" };
	struct sandbox_state *st = new_state("bad");
	struct group *g = (void *)1;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(group_make(st, bad[i], &g, &err), -EINVAL);
		assert_null(g);
		assert_non_null(strstr(err.msg, "cgroupsPath"));
	}
	assert_int_equal(group_make(st, "", &g, NULL), 0);
	assert_null(g);
	group_add(NULL, getpid());
	assert_int_equal(group_enter(NULL), 0);
	assert_int_equal(st->cgroups.n, 0);
	state_free(st);
}

static void the_journal_clears_it(void **state)
{
	struct sandbox_state *st = new_state("journal");
	auto_free char *path = xasprintf("%s/journal", top);
	struct cgroup *look = cgroup_open(path);
	struct group *g = NULL;
	pid_t pid = sleeper();

	(void)state;
	assert_int_equal(group_make(st, path, &g, NULL), 0);
	group_add(g, pid);
	group_free(g);
	assert_int_equal(state_clear(st, false, NULL), 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), pid);
	assert_int_equal(cgroup_remove(look, NULL), 0);
	cgroup_free(look);
	state_free(st);
}

/* Nothing may be written: the sandbox does without. */
static void a_host_that_refuses_is_a_warning(void **state)
{
	struct sandbox_state *st = new_state("readonly");
	auto_free char *path = xasprintf("%s/readonly", top);
	struct group *g = (void *)1;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < cgroup_hierarchies(); i++) {
		const char *at = cgroup_hierarchy_mount(i);

		assert_int_equal(mount(at, at, NULL, MS_BIND, NULL), 0);
		assert_int_equal(mount(NULL, at, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
	}
	assert_int_equal(group_make(st, path, &g, &err), 0);
	assert_null(g);
	assert_int_equal(err.code, 0);
	assert_int_equal(st->cgroups.n, 0);
	for (size_t i = 0; i < cgroup_hierarchies(); i++)
		umount(cgroup_hierarchy_mount(i));
	state_free(st);
}

static int setup(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		fputs("this test makes control groups: it needs root\n", stderr);
		return -1;
	}
	loop = loop_new();
	if (!mkdtemp(base))
		return -1;
	root = path_join(base, "sbs");
	top = xasprintf("/test-group-%d", (int)getpid());
	return 0;
}

static int teardown(void **state)
{
	struct cgroup *cg = cgroup_open(top);
	int r = cgroup_remove(cg, NULL);

	(void)state;
	cgroup_free(cg);
	free(top);
	free(root);
	loop_free(loop);
	return r < 0 ? r : tree_remove(base, NULL);
}

/*
 * Before anything has looked: leave but the hierarchies of one version. A host that has
 * none of that version is taken as it is.
 */
static int keep_version(const char *wanted)
{
	static char text[65536];
	FILE *f = fopen("/proc/self/mounts", "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	auto_free char *kind = xasprintf(" %s ", wanted);
	char *save = NULL;

	if (!f || fclose(f) != 0 || n == 0)
		return -1;
	if (!strstr(text, kind))
		return 0;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char at[4096], type[64];

		if (sscanf(l, "%*s %4095s %63s", at, type) == 2 && str_starts(type, "cgroup") &&
		    strcmp(type, wanted))
			umount2(at, MNT_DETACH);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_live_in_it),
		cmocka_unit_test(room_is_what_the_groups_above_leave),
		cmocka_unit_test(a_group_in_use_is_refused),
		cmocka_unit_test(what_is_no_path_is_refused),
		cmocka_unit_test(the_journal_clears_it),
		cmocka_unit_test(a_host_that_refuses_is_a_warning),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (geteuid() == 0 &&
	    (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
		return 1;
	if (argc > 1 && keep_version(argv[1]) < 0)
		return 1;
	return cmocka_run_group_tests_name("group", tests, setup, teardown);
}
