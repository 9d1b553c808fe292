/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "guest/agent/inroot.h"

/* A directory with DIR/root as the container's and DIR/out outside of it. */
struct fixture {
	char dir[64];
	int root, out;
};

static struct fixture fx;

static int set_up(void **state)
{
	(void)state;
	strncpy(fx.dir, "/tmp/agent-inroot-XXXXXX", sizeof(fx.dir) - 1);
	if (!mkdtemp(fx.dir))
		return -1;
	fx.out = open(fx.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(fx.out, "root", 0755) < 0 || mkdirat(fx.out, "out", 0755) < 0)
		return -1;
	fx.root = openat(fx.out, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fx.root < 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_fd(&fx.root);
	close_fd(&fx.out);
	return tree_remove(fx.dir, NULL);
}

static bool exists(const char *path)
{
	return faccessat(fx.out, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void make(const char *path, bool dir, int want)
{
	auto_close int fd = inroot_make(fx.root, path, dir, NULL);

	if (want == 0)
		assert_true(fd >= 0);
	else
		assert_int_equal(fd, want);
}

static void test_plain(void **state)
{
	(void)state;
	make("/a/b/c", true, 0);
	assert_true(exists("root/a/b/c"));
	make("a/b/c/file", false, 0);
	make("a/b/c/file", false, 0);
	make("//a/./b/x/", true, 0);
	assert_true(exists("root/a/b/x"));
	make("/", true, 0);
	make("", true, 0);
	make("/a/b/c/file", true, -ENOTDIR);
	make("/a/b/c/file/x", true, -ENOTDIR);
}

static void test_no_way_out(void **state)
{
	auto_free char *absolute = path_join(fx.dir, "out");

	(void)state;
	assert_int_equal(symlinkat(absolute, fx.root, "absolute"), 0);
	assert_int_equal(symlinkat("../../../../out", fx.root, "relative"), 0);
	assert_int_equal(symlinkat("/proc/self/cwd", fx.root, "magic"), 0);
	make("/../../up", true, 0);
	assert_true(exists("root/up"));
	make("/absolute/x", true, 0);
	make("/relative/y", true, 0);
	make("/relative/f", false, 0);
	assert_true(exists("root/out/y"));
	make("/magic/z", true, 0);
	assert_true(exists("root/proc/self/cwd/z"));
	assert_false(exists("out/x"));
	assert_false(exists("out/y"));
	assert_false(exists("out/f"));
}

static void test_dangling(void **state)
{
	(void)state;
	make("/etc", true, 0);
	assert_int_equal(symlinkat("../run/x/resolv.conf", fx.root, "etc/resolv.conf"), 0);
	make("/etc/resolv.conf", false, 0);
	assert_true(exists("root/run/x/resolv.conf"));
	assert_int_equal(symlinkat("/var/lib/later", fx.root, "link"), 0);
	make("/link/deeper", true, 0);
	assert_true(exists("root/var/lib/later/deeper"));
	/* ".." behind a link is that of its end. */
	make("/link/../sister", true, 0);
	assert_true(exists("root/var/lib/sister"));
	assert_int_equal(symlinkat("two", fx.root, "one"), 0);
	assert_int_equal(symlinkat("one", fx.root, "two"), 0);
	make("/one", true, -ELOOP);
}

static void test_open(void **state)
{
	(void)state;
	assert_int_equal(symlinkat("/out", fx.root, "link"), 0);
	assert_int_equal(inroot_open(fx.root, "link", O_PATH), -ENOENT);
	assert_int_equal(inroot_open(fx.root, "/nosuch", O_PATH), -ENOENT);
}

static void parent(const char *path, const char *want)
{
	auto_free char *name = NULL;
	auto_close int fd = inroot_make_parent(fx.root, path, &name, NULL);

	if (!want) {
		assert_int_equal(fd, -EINVAL);
		return;
	}
	assert_true(fd >= 0);
	assert_string_equal(name, want);
}

static void test_parent(void **state)
{
	(void)state;
	parent("/dev/null", "null");
	parent("/dev/net/tun", "tun");
	assert_true(exists("root/dev/net"));
	parent("top", "top");
	parent("/top", "top");
	parent("", NULL);
	parent("/", NULL);
	parent("/dev/", "dev");
	parent("dev//", "dev");
	parent("//", NULL);
	parent("/dev/..", NULL);
	parent("/dev/../", NULL);
	parent("/dev/.", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_way_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dangling, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_parent, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
