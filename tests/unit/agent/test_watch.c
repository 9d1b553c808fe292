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

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "guest/agent/watch.h"

static char dir[] = "/tmp/watch-XXXXXX";
static char *from, *to;

static void put(const char *name, const char *text)
{
	auto_free char *path = path_join(from, name);

	assert_int_equal(file_replace(path, text, strlen(text), 0640, NULL), 0);
}

static void copy_has(const char *name, const char *text)
{
	auto_free char *path = path_join(to, name);
	auto_str struct str now = STR_INIT;

	assert_int_equal(file_read(path, 4096, &now, NULL), 0);
	assert_string_equal(str_text(&now), text);
}

static bool copied(const char *name)
{
	auto_free char *path = path_join(to, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static int setup(void **state)
{
	(void)state;
	memcpy(strrchr(dir, '-'), "-XXXXXX", sizeof("-XXXXXX"));
	assert_non_null(mkdtemp(dir));
	from = path_join(dir, "from");
	to = path_join(dir, "to");
	assert_int_equal(mkdir(from, 0750), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(from);
	free(to);
	return tree_remove(dir, NULL);
}

static void copy(void)
{
	struct err err = ERR_INIT;

	if (watch_copy(from, to, true, &err) < 0)
		fail_msg("%s", err.msg);
}

/* As Kubernetes does it: files behind ..data, which is exchanged. */
static void test_configmap(void **state)
{
	auto_free char *old = path_join(from, "..1");
	auto_free char *new = path_join(from, "..2");
	auto_free char *data = path_join(from, "..data");
	auto_free char *tmp = path_join(from, "..tmp");
	auto_free char *key = path_join(from, "key");

	(void)state;
	mkdir(old, 0755);
	put("..1/key", "one");
	assert_int_equal(symlink("..1", data), 0);
	assert_int_equal(symlink("..data/key", key), 0);
	copy();
	copy_has("key", "one");
	mkdir(new, 0755);
	put("..2/key", "two");
	assert_int_equal(symlink("..2", tmp), 0);
	assert_int_equal(rename(tmp, data), 0);
	assert_int_equal(tree_remove(old, NULL), 0);
	copy();
	copy_has("key", "two");
	assert_false(copied("..1"));
	assert_false(copied(".kata-copy"));
}

static void test_changes(void **state)
{
	auto_free char *a = path_join(from, "a");
	auto_free char *copy_a = path_join(to, "a");
	struct stat st, st2;

	(void)state;
	put("a", "1");
	put("b", "x");
	copy();
	assert_int_equal(stat(copy_a, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	copy();
	assert_int_equal(stat(copy_a, &st2), 0);
	assert_int_equal(st.st_ino, st2.st_ino); /* nothing was written again */
	put("a", "2");
	copy();
	copy_has("a", "2");
	assert_int_equal(chmod(a, 0600), 0);
	copy();
	assert_int_equal(stat(copy_a, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* A directory in the place of a file, and back. */
	assert_int_equal(unlink(a), 0);
	assert_int_equal(mkdir(a, 0711), 0);
	put("a/c", "3");
	copy();
	copy_has("a/c", "3");
	assert_int_equal(tree_remove(a, NULL), 0);
	put("a", "4");
	copy();
	copy_has("a", "4");
	assert_int_equal(unlink(a), 0);
	copy();
	assert_false(copied("a"));
	assert_true(copied("b"));
}

/* A container may have put links where copies go; nothing outside is touched. */
static void test_traps(void **state)
{
	auto_free char *outside = path_join(dir, "outside");
	auto_free char *victim = path_join(outside, "file");
	auto_free char *link = path_join(to, "sub");
	auto_free char *link2 = path_join(to, "plain");
	auto_free char *sub = path_join(from, "sub");
	auto_str struct str text = STR_INIT;

	(void)state;
	mkdir(outside, 0755);
	file_replace(victim, "mine", 4, 0644, NULL);
	mkdir(sub, 0755);
	put("sub/file", "theirs");
	put("plain", "p");
	mkdir(to, 0755);
	assert_int_equal(symlink("../outside", link), 0);
	assert_int_equal(symlink("../outside/file", link2), 0);
	copy();
	assert_int_equal(file_read(victim, 100, &text, NULL), 0);
	assert_string_equal(str_text(&text), "mine");
	copy_has("sub/file", "theirs");
	copy_has("plain", "p");
}

static void test_limits(void **state)
{
	auto_free char *big = xmalloc(WATCH_BYTES_MAX + 2);

	(void)state;
	put("first", "1");
	copy();
	for (int i = 0; i < WATCH_ENTRIES_MAX - 2; i++) {
		auto_free char *name = xasprintf("f%d", i);

		put(name, "x");
	}
	assert_int_equal(watch_copy(from, to, false, NULL), 0);
	put("toomany", "x");
	assert_int_equal(watch_copy(from, to, false, NULL), -E2BIG);
	tree_remove(from, NULL);
	mkdir(from, 0755);
	memset(big, 'x', WATCH_BYTES_MAX + 1);
	big[WATCH_BYTES_MAX + 1] = '\0';
	put("big", big);
	assert_int_equal(watch_copy(from, to, false, NULL), -E2BIG);
}

/* A single file keeps its inode: the container has bound that. */
static void test_file(void **state)
{
	struct stat st, st2;

	(void)state;
	free(from);
	from = path_join(dir, "file");
	free(to);
	to = path_join(dir, "copy");
	assert_int_equal(watch_copy(from, to, true, NULL), -ENOENT);
	assert_int_equal(file_replace(from, "long text", 9, 0644, NULL), 0);
	copy();
	assert_int_equal(stat(to, &st), 0);
	assert_int_equal(file_replace(from, "short", 5, 0644, NULL), 0);
	copy();
	assert_int_equal(stat(to, &st2), 0);
	assert_int_equal(st.st_ino, st2.st_ino);
	assert_int_equal(st2.st_size, 5);
	assert_int_equal(unlink(to), 0);
	assert_int_equal(watch_copy(from, to, false, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_configmap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_traps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
