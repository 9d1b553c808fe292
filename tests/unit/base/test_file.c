/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	memcpy(dir, "/tmp/test-file-XXXXXX", sizeof("/tmp/test-file-XXXXXX"));
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(dir, NULL);
}

static void replaces_atomically(void **state)
{
	auto_free char *path = path_join(dir, "f");
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;
	struct stat st;

	(void)state;
	assert_int_equal(file_replace(path, "one", 3, 0600, &err), 0);
	assert_int_equal(file_replace(path, "three", 5, 0640, &err), 0);
	assert_int_equal(file_read(path, 100, &text, &err), 0);
	assert_string_equal(str_text(&text), "three");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(file_read(path, 4, &text, &err), -EFBIG);
}

/* The old content survives and no temporary file is left. */
static void failed_replace_leaves_nothing(void **state)
{
	auto_free char *path = path_join(dir, "d"), *tmp = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(file_replace(path, "x", 1, 0600, &err), -EISDIR);
	tmp = xasprintf("%s.%d.tmp", path, (int)getpid());
	assert_int_equal(access(tmp, F_OK), -1);
	assert_true(strstr(err_msg(&err), path) != NULL);
}

static void reads_no_fifo(void **state)
{
	auto_free char *path = path_join(dir, "fifo");
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(file_read(path, 10, &text, &err), -EINVAL);
	assert_int_equal(file_read(dir, 10, &text, &err), -EISDIR);
	assert_int_equal(file_read("/proc/self/stat", 10000, &text, &err), 0);
}

static void joins_paths(void **state)
{
	static const char *const t[][3] = {
		{ "/a", "b", "/a/b" },
		{ "/a/", "/b", "/a/b" },
		{ "/", "b", "/b" },
		{ "a", "b", "a/b" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		auto_free char *p = path_join(t[i][0], t[i][1]);

		assert_string_equal(p, t[i][2]);
	}
}

static void removes_links_not_targets(void **state)
{
	auto_free char *tree = path_join(dir, "tree"), *keep = path_join(dir, "keep");
	auto_free char *link = path_join(tree, "link"), *file = path_join(keep, "file");

	(void)state;
	assert_int_equal(mkdir(tree, 0700), 0);
	assert_int_equal(mkdir(keep, 0700), 0);
	assert_int_equal(file_replace(file, "x", 1, 0600, NULL), 0);
	assert_int_equal(symlink(keep, link), 0);
	assert_int_equal(tree_remove(tree, NULL), 0);
	assert_int_equal(access(tree, F_OK), -1);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(tree_remove(tree, NULL), 0);
}

/* The content of what is mounted at @m survives the removal of @tree. */
static int check_survival(const char *tree, const char *m, const char *file)
{
	if (tree_remove(tree, NULL) != -EBUSY)
		return 13;
	if (tree_remove(m, NULL) != -EBUSY)
		return 14;
	return access(file, F_OK) == 0 ? 0 : 15;
}

/* In a mount namespace of its own. A bind mount has the device number of its place. */
static int try_remove_with_mount(void)
{
	auto_free char *tree = path_join(dir, "mtree"), *m = path_join(tree, "m");
	auto_free char *file = path_join(m, "file"), *source = path_join(dir, "source");
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 10;
	if (dir_make(m, 0700, NULL) < 0 || dir_make(source, 0700, NULL) < 0 ||
	    mount(source, m, NULL, MS_BIND, NULL) < 0)
		return 11;
	if (file_replace(file, "x", 1, 0600, NULL) < 0)
		return 12;
	r = check_survival(tree, m, file);
	if (r == 0 &&
	    (mount("t", m, "tmpfs", 0, NULL) < 0 || file_replace(file, "x", 1, 0600, NULL) < 0))
		r = 16;
	return r ? r : check_survival(tree, m, file);
}

static void stops_at_mounts(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(geteuid(), 0); /* mounts need root */
	pid = fork();
	if (pid == 0)
		_exit(try_remove_with_mount());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaces_atomically),
		cmocka_unit_test(failed_replace_leaves_nothing),
		cmocka_unit_test(reads_no_fifo),
		cmocka_unit_test(joins_paths),
		cmocka_unit_test(removes_links_not_targets),
		cmocka_unit_test(stops_at_mounts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("file", tests, setup, teardown);
}
