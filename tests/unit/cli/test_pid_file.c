/* SPDX-License-Identifier: Apache-2.0 */
/* Pid files that are files, and what stands in their place: nothing else is ever replaced. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "host/cli/pid_file.h"

static char dir[32];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/pid-file-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(dir, NULL);
}

static void holds(const char *path, const char *wanted)
{
	auto_str struct str text = STR_INIT;

	assert_int_equal(file_read(path, 64, &text, NULL), 0);
	assert_string_equal(str_text(&text), wanted);
}

static mode_t type_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? 0 : st.st_mode & S_IFMT;
}

static void a_file(void **state)
{
	auto_free char *path = path_join(dir, "pid");
	struct pid_file f = { .path = path }, none = { .path = NULL };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(pid_file_check(&f, &err), 0);
	assert_int_equal(pid_file_write(&f, 12345, &err), 0);
	assert_int_equal(pid_file_write(&f, 7, &err), 0);
	holds(path, "7");
	pid_file_remove(&f);
	assert_int_equal(type_of(path), 0);
	/* What others have written is theirs. */
	assert_int_equal(file_replace(path, "x", 1, 0600, NULL), 0);
	pid_file_remove(&f);
	holds(path, "x");
	assert_int_equal(pid_file_check(&none, &err), 0);
	assert_int_equal(pid_file_write(&none, 7, &err), 0);
	pid_file_remove(&none);
}

/* One to a file is neither followed nor replaced; one to what is no file is followed. */
static void a_link_stays_one(void **state)
{
	auto_free char *path = path_join(dir, "link"), *target = path_join(dir, "target");
	struct pid_file f = { .path = path };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(symlink(target, path), 0);
	for (int there = 0; there < 2; there++) {
		if (there)
			assert_int_equal(file_replace(target, "x", 1, 0600, NULL), 0);
		assert_int_equal(pid_file_check(&f, &err), -ELOOP);
		assert_non_null(strstr(err_msg(&err), path));
		assert_int_equal(pid_file_write(&f, 7, &err), -ELOOP);
		pid_file_remove(&f);
		assert_int_equal(type_of(path), S_IFLNK);
	}
	holds(target, "x");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(pid_file_check(&f, &err), 0);
	assert_int_equal(pid_file_write(&f, 7, &err), 0);
	pid_file_remove(&f);
	assert_int_equal(type_of(path), S_IFLNK);
}

static void a_pipe_stays_one(void **state)
{
	auto_free char *path = path_join(dir, "pipe");
	struct pid_file f = { .path = path };
	auto_close int reader = -1;
	struct err err = ERR_INIT;
	char buf[8] = "";

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(pid_file_write(&f, 7, &err), -ENXIO);
	assert_non_null(strstr(err_msg(&err), "pid file: "));
	assert_non_null(strstr(err_msg(&err), path));
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_int_equal(pid_file_write(&f, 7, &err), 0);
	assert_int_equal(read(reader, buf, sizeof(buf)), 1);
	assert_string_equal(buf, "7");
	pid_file_remove(&f);
	assert_int_equal(type_of(path), S_IFIFO);
}

/* In a place of the test's own: the host's /dev is not risked. */
static void a_device_stays_one(void **state)
{
	auto_free char *path = path_join(dir, "null");
	struct pid_file f = { .path = path };
	struct err err = ERR_INIT;

	(void)state;
	if (mknod(path, S_IFCHR | 0600, 0x103) < 0) {
		print_message("# no rights to make a device\n");
		return;
	}
	(void)pid_file_write(&f, 7, &err); /* where the file system lets none be used it fails */
	pid_file_remove(&f);
	assert_int_equal(type_of(path), S_IFCHR);
}

static void what_never_can_be(void **state)
{
	auto_free char *file = path_join(dir, "file"), *below = path_join(dir, "file/pid"),
		       *nowhere = path_join(dir, "nowhere/pid");
	const struct {
		const char *path;
		int code;
	} cases[] = {
		{ "", -EINVAL }, { dir, -EISDIR }, { below, -ENOTDIR }, { nowhere, -ENOENT }
	};

	(void)state;
	assert_int_equal(file_replace(file, "x", 1, 0600, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pid_file f = { .path = cases[i].path };
		struct err err = ERR_INIT;

		assert_int_equal(pid_file_check(&f, &err), cases[i].code);
		assert_non_null(strstr(err_msg(&err), cases[i].path));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file),
		cmocka_unit_test(a_link_stays_one),
		cmocka_unit_test(a_pipe_stays_one),
		cmocka_unit_test(a_device_stays_one),
		cmocka_unit_test(what_never_can_be),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
