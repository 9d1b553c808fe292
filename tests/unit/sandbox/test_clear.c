/* SPDX-License-Identifier: Apache-2.0 */
/* Clearing up, with real processes and mounts in a mount namespace of its own. Needs root. */
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
#include "host/sandbox/state.h"

static char base[] = "/tmp/test-clear-XXXXXX";
static char *root;

static int setup(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		fputs("this test mounts and kills: it needs root\n", stderr);
		return -1;
	}
	if (!mkdtemp(base) || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	root = path_join(base, "sbs");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(root);
	return tree_remove(base, NULL);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

static void make_file(const char *dir, const char *name)
{
	auto_free char *path = path_join(dir, name);

	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	assert_int_equal(file_replace(path, "x", 1, 0600, NULL), 0);
}

static bool exists(const char *dir, const char *name)
{
	auto_free char *path = path_join(dir, name);

	return access(path, F_OK) == 0;
}

static void assert_killed(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* A container's files are the user's: bind mounts, over each other, files too. */
static void spares_what_is_mounted(void **state)
{
	struct sandbox_state *st = state_new(root, "mounts");
	auto_free char *user = path_join(base, "user"), *share = path_join(base, "share");
	auto_free char *rootfs = path_join(share, "c/rootfs"),
		       *inner = path_join(user, "inner dir");
	auto_free char *file = path_join(share, "c-0-hosts"), *from = path_join(user, "keep");
	auto_free char *link = path_join(share, "link"), *outside = path_join(base, "outside");

	(void)state;
	make_file(user, "keep");
	make_file(inner, "deep");
	make_file(rootfs, "under");
	make_file(outside, "keep");
	make_file(share, "c-0-hosts");
	assert_int_equal(symlink(user, link), 0);
	assert_int_equal(mount("t", inner, "tmpfs", 0, NULL), 0);
	make_file(inner, "on-tmpfs");
	assert_int_equal(mount(user, rootfs, NULL, MS_BIND | MS_REC, NULL), 0);
	assert_int_equal(mount(user, rootfs, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(from, file, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(user, outside, NULL, MS_BIND, NULL), 0);
	state_note(&st->dirs, share);
	state_note(&st->mounts, outside);
	state_note(&st->dirs, "/nonexistent/tree");
	state_note(&st->mounts, "/nonexistent/mount");
	assert_int_equal(state_create(st, NULL), 0);

	assert_int_equal(state_clear(st, false, NULL), 0);
	assert_false(exists(base, "share"));
	assert_false(exists(root, "mounts"));
	assert_true(exists(user, "keep"));
	assert_true(exists(inner, "on-tmpfs"));
	assert_true(exists(outside, "keep"));
	assert_int_equal(umount(outside), -1); /* is no mount any more */
	assert_int_equal(umount(inner), 0);
	assert_true(exists(inner, "deep"));
	state_free(st);
}

static void kills_the_shim_only_by_force(void **state)
{
	struct sandbox_state *st = state_new(root, "force");
	pid_t shim = sleeper(), qemu = sleeper(), stranger = sleeper();
	struct err err = ERR_INIT;

	(void)state;
	state_add_process(st, "shim", shim);
	state_add_process(st, "qemu", qemu);
	state_add_process(st, "virtiofsd", stranger);
	st->processes[2].start--; /* the pid was given to another since */
	assert_int_equal(state_create(st, NULL), 0);
	assert_int_equal(state_clear(st, false, &err), -EBUSY);
	assert_string_equal(err.msg, "container force is still running");
	assert_true(exists(root, "force"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), 0);

	assert_int_equal(state_clear(st, true, NULL), 0);
	assert_killed(shim);
	assert_killed(qemu);
	assert_int_equal(waitpid(stranger, NULL, WNOHANG), 0);
	assert_false(exists(root, "force"));
	kill(stranger, SIGKILL);
	waitpid(stranger, NULL, 0);
	state_free(st);
}

/* The shim went on after the caller had read its journal. */
static void reads_the_journal_again(void **state)
{
	struct sandbox_state *st = state_new(root, "again"), *old = NULL;
	auto_free char *late = path_join(base, "late");
	pid_t shim = sleeper(), qemu = sleeper();

	(void)state;
	state_add_process(st, "shim", shim);
	assert_int_equal(state_create(st, NULL), 0);
	assert_int_equal(state_load(root, "again", &old, NULL), 0);
	make_file(late, "x");
	state_add_process(st, "qemu", qemu);
	state_note(&st->dirs, late);
	assert_int_equal(state_save(st, NULL), 0);
	assert_int_equal(state_clear(old, true, NULL), 0);
	assert_killed(shim);
	assert_killed(qemu);
	assert_false(exists(base, "late"));
	state_free(old);
	state_free(st);
}

/* What cannot be cleared is told, the rest is done, and it can be tried again. */
static void keeps_what_it_cannot_clear(void **state)
{
	struct sandbox_state *st = state_new(root, "stuck");
	auto_free char *good = path_join(base, "good");
	struct err err = ERR_INIT;

	(void)state;
	make_file(good, "x");
	state_note(&st->dirs, good);
	state_note(&st->dirs, "/proc/self/fd");
	assert_int_equal(state_create(st, NULL), 0);
	assert_true(state_clear(st, false, &err) < 0);
	assert_int_equal(strncmp(err.msg, "container stuck: cannot clear up: /proc/self/fd", 46),
			 0);
	assert_false(exists(base, "good"));
	assert_true(exists(root, "stuck"));
	state_forget(&st->dirs, "/proc/self/fd");
	assert_int_equal(state_clear(st, false, NULL), 0);
	assert_false(exists(root, "stuck"));
	state_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spares_what_is_mounted),
		cmocka_unit_test(kills_the_shim_only_by_force),
		cmocka_unit_test(reads_the_journal_again),
		cmocka_unit_test(keeps_what_it_cannot_clear),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("clear", tests, setup, teardown);
}
