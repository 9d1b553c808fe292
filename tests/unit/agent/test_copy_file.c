/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/str.h"
#include "guest/agent/copy_file.h"

static char dir[] = "/tmp/copy-file-XXXXXX";
static char *shared;

static int setup(void **state)
{
	(void)state;
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	if (!mkdtemp(dir))
		return -1;
	shared = xasprintf("%s/shared", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(shared);
	return tree_remove(dir, NULL);
}

static int copy(const char *path, mode_t mode, const char *data, int64_t offset, int64_t size)
{
	Grpc__CopyFileRequest req = GRPC__COPY_FILE_REQUEST__INIT;
	struct err err = ERR_INIT;
	char *full = xasprintf("%s/%s", shared, path);
	int r;

	req.path = full;
	req.file_mode = mode;
	req.dir_mode = 0750;
	req.uid = (int32_t)geteuid();
	req.gid = (int32_t)getegid();
	req.offset = offset;
	req.file_size = size;
	req.data.data = (uint8_t *)data;
	req.data.len = strlen(data);
	r = copy_file(&req, shared, &err);
	free(full);
	return r;
}

static void assert_file(const char *path, const char *text, mode_t mode)
{
	char *full = xasprintf("%s/%s", shared, path);
	struct str got = STR_INIT;
	struct stat st;

	assert_int_equal(file_read(full, 4096, &got, NULL), 0);
	assert_string_equal(str_text(&got), text);
	assert_int_equal(lstat(full, &st), 0);
	assert_int_equal(st.st_mode, mode);
	str_free(&got);
	free(full);
}

static void assert_mode(const char *path, mode_t mode)
{
	char *full = xasprintf("%s/%s", shared, path);
	struct stat st;

	assert_int_equal(lstat(full, &st), 0);
	assert_int_equal(st.st_mode, mode);
	free(full);
}

static bool exists(const char *path)
{
	char *full = xasprintf("%s/%s", dir, path);
	struct stat st;
	bool yes = lstat(full, &st) == 0;

	free(full);
	return yes;
}

static void test_files(void **state)
{
	(void)state;
	assert_int_equal(copy("f", S_IFREG | 0644, "text", 0, 4), 0);
	assert_file("f", "text", S_IFREG | 0644);
	assert_int_equal(copy("f", S_IFREG | 0600, "", 0, 0), 0);
	assert_file("f", "", S_IFREG | 0600);
	assert_int_equal(copy("a/b/c", S_IFREG | 04755, "x", 0, 1), 0);
	assert_file("a/b/c", "x", S_IFREG | 04755);
	/* No type: a file. */
	assert_int_equal(copy("g", 0640, "y", 0, 1), 0);
	assert_file("g", "y", S_IFREG | 0640);
}

static void test_parts(void **state)
{
	(void)state;
	assert_int_equal(copy("f", S_IFREG | 0644, "abc", 0, 6), 0);
	assert_false(exists("shared/f"));
	assert_int_equal(copy("f", S_IFREG | 0644, "def", 3, 6), 0);
	assert_file("f", "abcdef", S_IFREG | 0644);
	assert_false(exists("shared/.f.part"));
	/* Begun anew, nothing of the first attempt stays. */
	assert_int_equal(copy("f", S_IFREG | 0644, "123456", 0, 9), 0);
	assert_int_equal(copy("f", S_IFREG | 0644, "xy", 0, 2), 0);
	assert_file("f", "xy", S_IFREG | 0644);
}

static void test_directories_and_links(void **state)
{
	char target[16] = "";
	char *link;

	(void)state;
	assert_int_equal(copy("d", S_IFDIR | 0711, "", 0, 0), 0);
	assert_int_equal(copy("d/f", S_IFREG | 0644, "kept", 0, 4), 0);
	assert_int_equal(copy("d", S_IFDIR | 01777, "", 0, 0), 0);
	assert_file("d/f", "kept", S_IFREG | 0644);
	assert_int_equal(copy("l", S_IFLNK | 0777, "d/f", 0, 0), 0);
	assert_int_equal(copy("l", S_IFLNK | 0777, "g", 0, 0), 0);
	link = xasprintf("%s/l", shared);
	assert_int_equal(readlink(link, target, sizeof(target) - 1), 1);
	assert_string_equal(target, "g");
	free(link);
	/* Each takes the place of the other. */
	assert_int_equal(copy("l", S_IFDIR | 0755, "", 0, 0), 0);
	assert_int_equal(copy("l", S_IFREG | 0644, "z", 0, 1), 0);
	assert_file("l", "z", S_IFREG | 0644);
}

static void test_outside(void **state)
{
	Grpc__CopyFileRequest req = GRPC__COPY_FILE_REQUEST__INIT;
	struct err err = ERR_INIT;
	char *twin = xasprintf("%s-twin/f", shared);

	(void)state;
	req.path = twin;
	assert_int_equal(copy_file(&req, shared, &err), -EPERM);
	req.path = (char *)"/tmp/f";
	assert_int_equal(copy_file(&req, shared, &err), -EPERM);
	req.path = (char *)"";
	assert_int_equal(copy_file(&req, shared, &err), -EPERM);
	req.path = shared;
	assert_int_equal(copy_file(&req, shared, &err), -EPERM);
	free(twin);
	/* Neither ".." nor a link leads out. */
	assert_int_equal(copy("../up", S_IFREG | 0644, "x", 0, 1), 0);
	assert_false(exists("up"));
	assert_int_equal(copy("out", S_IFLNK | 0777, dir, 0, 0), 0);
	assert_int_not_equal(copy("out/f", S_IFREG | 0644, "x", 0, 1), 0);
	assert_false(exists("f"));
	assert_int_equal(copy("..", S_IFDIR | 0755, "", 0, 0), -EINVAL);
	assert_int_equal(copy("d/", S_IFREG | 0644, "x", 0, 1), -EINVAL);
}

static void test_bad(void **state)
{
	(void)state;
	assert_int_equal(copy("f", S_IFREG | 0644, "abc", 0, 2), -EINVAL);
	assert_int_equal(copy("f", S_IFREG | 0644, "abc", -1, 3), -EINVAL);
	assert_int_equal(copy("f", S_IFREG | 0644, "abc", INT64_MAX, INT64_MAX), -EINVAL);
	assert_int_equal(copy("f", S_IFREG | 0644, "", 0, -1), -EINVAL);
	assert_int_equal(copy("f", S_IFCHR | 0644, "", 0, 0), -EINVAL);
	assert_int_equal(copy("f", S_IFSOCK | 0644, "", 0, 0), -EINVAL);
	assert_int_equal(copy("f", S_IFLNK | 0777, "", 0, 0), -EINVAL);
	assert_false(exists("shared/f"));
}

/* The longest name there is has no room for a longer one beside it. */
static void test_long_name(void **state)
{
	char name[NAME_MAX + 1];

	(void)state;
	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	assert_int_equal(copy(name, S_IFREG | 0644, "abc", 0, 6), 0);
	assert_int_equal(copy(name, S_IFREG | 0644, "def", 3, 6), 0);
	assert_file(name, "abcdef", S_IFREG | 0644);
	assert_int_equal(copy("d/e", S_IFREG | 0644, "x", 0, 1), 0);
	assert_mode("d", S_IFDIR | 0750);
}

/* A container that shares the directory could put one there. */
static void test_fifo(void **state)
{
	char *part = xasprintf("%s/.f.part", shared);

	(void)state;
	assert_int_equal(dir_make(shared, 0755, NULL), 0);
	assert_int_equal(mkfifo(part, 0644), 0);
	assert_int_not_equal(copy("f", S_IFREG | 0644, "abc", 0, 3), 0);
	free(part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directories_and_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fifo, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
