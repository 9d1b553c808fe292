/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cgroup/internal.h"

static void check_path(const char *spec, const char *want)
{
	auto_free char *path = NULL;

	assert_int_equal(cgroup_path(spec, "cid", &path, NULL), 0);
	assert_string_equal(path, want);
}

static void test_path(void **state)
{
	(void)state;
	check_path("", "/cid");
	check_path(NULL, "/cid");
	check_path("/a/b", "/a/b");
	check_path("a/b/", "/a/b");
	check_path("//a/./b", "/a/b");
	check_path("machine.slice:libpod:abc", "/machine.slice/libpod-abc");
	check_path("machine.slice::abc", "/machine.slice/abc");
	check_path(":p:n", "/p-n");
	/* Not systemd's form: a name with colons. */
	check_path("/a:b:c", "/a:b:c");
	check_path("a:b", "/a:b");
}

static void test_bad_path(void **state)
{
	static const char *const bad[] = { "/", "/./", "..", "/a/../b", "a/..", "/a\nb" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		char *path = NULL;

		assert_int_equal(cgroup_path(bad[i], "cid", &path, &err), -EINVAL);
		assert_null(path);
		assert_true(err.msg[0] != '\0');
	}
}

static void check_host_path(const char *spec, const char *want)
{
	struct err err = ERR_INIT;
	char *path = NULL;

	assert_int_equal(cgroup_host_path(spec, &path, &err), 0);
	assert_string_equal(path, want);
	free(path);
}

static void test_host_path(void **state)
{
	(void)state;
	check_host_path("/a/b", "/a/b");
	check_host_path("machine.slice:libpod:abc", "/machine.slice/libpod-abc.scope");
	check_host_path("user-1-x.slice:p:n", "/user.slice/user-1.slice/user-1-x.slice/p-n.scope");
	check_host_path(":docker:n", "/system.slice/docker-n.scope");
	check_host_path("-.slice:p:n", "/p-n.scope");
	check_host_path("a.slice::n", "/a.slice/n.scope");
	check_host_path("a.slice:p:b.slice", "/a.slice/b.slice");
	/* No units. */
	check_host_path("/a:b:c", "/a:b:c");
	check_host_path("a:b", "/a:b");
	check_host_path("a:b:c:d", "/a:b:c:d");
}

static void test_bad_host_path(void **state)
{
	static const struct {
		const char *spec, *message;
	} bad[] = {
		{ "/", "cgroupsPath \"/\" is the root" },
		{ "/a/../b", "cgroupsPath \"/a/../b\": bad component" },
		{ "a:p:n", "cgroupsPath \"a:p:n\": \"a\" is no slice" },
		{ "-a.slice:p:n", "is no slice" },
		{ "a-.slice:p:n", "is no slice" },
		{ "a--b.slice:p:n", "is no slice" },
		{ ".slice:p:n", "is no slice" },
		{ "..:p:n", "is no slice" },
	};
	auto_free char *name = xcalloc(1, 300), *path = xcalloc(1, 4097), *ok = NULL;
	struct err err = ERR_INIT;
	char *out = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(cgroup_host_path(bad[i].spec, &out, &err), -EINVAL);
		assert_null(out);
		assert_non_null(strstr(err.msg, bad[i].message));
	}
	memset(name, 'n', 256);
	assert_int_equal(cgroup_host_path(name, &out, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "nnn…\" is too long, at most 255 bytes"));
	name[255] = '\0';
	assert_int_equal(cgroup_host_path(name, &ok, &err), 0);
	for (size_t i = 0; i < 4096; i += 2)
		memcpy(path + i, "/d", 2);
	assert_int_equal(cgroup_host_path(path, &out, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "is too long"));
	assert_null(out);
}

static void test_weight(void **state)
{
	(void)state;
	assert_int_equal(shares_to_weight(2), 1);
	assert_int_equal(shares_to_weight(1024), 39);
	assert_int_equal(shares_to_weight(262144), 10000);
	/* Out of range is cut to it, as the kernel does. */
	assert_int_equal(shares_to_weight(1), 1);
	assert_int_equal(shares_to_weight(UINT64_MAX), 10000);
}

static void test_io_weight(void **state)
{
	(void)state;
	assert_int_equal(blkio_to_io_weight(10), 1);
	assert_int_equal(blkio_to_io_weight(500), 4950);
	assert_int_equal(blkio_to_io_weight(1000), 10000);
	assert_int_equal(blkio_to_io_weight(1), 1);
	assert_int_equal(blkio_to_io_weight(100000), 10000);
}

static void test_swap(void **state)
{
	int64_t swap = 7;

	(void)state;
	assert_int_equal(swap_of_sum(100, 250, &swap), 0);
	assert_int_equal(swap, 150);
	assert_int_equal(swap_of_sum(100, 100, &swap), 0);
	assert_int_equal(swap, 0);
	assert_int_equal(swap_of_sum(0, -1, &swap), 0);
	assert_int_equal(swap, -1);
	swap = 7;
	assert_int_equal(swap_of_sum(100, 99, &swap), -EINVAL);
	assert_int_equal(swap_of_sum(0, 100, &swap), -EINVAL);
	assert_int_equal(swap_of_sum(-1, 100, &swap), -EINVAL);
	assert_int_equal(swap, 7);
}

static void test_keyed(void **state)
{
	static const char text[] = "populated 1\nfrozen 0\noom 5\noom_kill 3\n";

	(void)state;
	assert_int_equal(keyed_value(text, "populated"), 1);
	assert_int_equal(keyed_value(text, "oom_kill"), 3);
	assert_int_equal(keyed_value(text, "oom"), 5);
	assert_int_equal(keyed_value(text, "kill"), 0);
	assert_int_equal(keyed_value("", "x"), 0);
	assert_int_equal(keyed_value("\n\n", "x"), 0);
}

static void free_all(struct hierarchy *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(h[i].mount);
		free(h[i].name);
	}
}

static void test_hybrid(void **state)
{
	static const char text[] =
		"21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
		"30 21 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
		"31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup "
		"rw,cpu,cpuacct\n"
		"32 30 0:28 / /sys/fs/cgroup/my\\040mem rw - cgroup cgroup rw,memory\n"
		"33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup "
		"rw,xattr,release_agent=/x,name=systemd\n"
		"34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
		"35 30 0:28 / /mnt/again rw - cgroup cgroup rw,memory\n";
	struct hierarchy h[8];
	size_t n = hierarchies_parse(text, h, ARRAY_SIZE(h));

	(void)state;
	assert_int_equal(n, 4);
	assert_string_equal(h[0].mount, "/sys/fs/cgroup/cpu,cpuacct");
	assert_string_equal(h[0].name, "cpu,cpuacct");
	assert_false(h[0].v2);
	assert_string_equal(h[1].mount, "/sys/fs/cgroup/my mem");
	assert_string_equal(h[2].name, "name=systemd");
	assert_true(h[3].v2);
	assert_string_equal(h[3].name, "");
	free_all(h, n);
}

static void test_bad_mountinfo(void **state)
{
	static const char text[] = "\n - \nx\n1 2 3 4\n1 2 3 4 5 - cgroup\n1 2 - cgroup2 a b\n"
				   "1 2 3 / /ok rw - cgroup2 a b\n";
	struct hierarchy h[8];
	size_t n = hierarchies_parse(text, h, ARRAY_SIZE(h));

	(void)state;
	assert_int_equal(n, 1);
	assert_string_equal(h[0].mount, "/ok");
	free_all(h, n);
	assert_int_equal(hierarchies_parse("", h, ARRAY_SIZE(h)), 0);
	assert_int_equal(hierarchies_parse(text, h, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),	  cmocka_unit_test(test_bad_path),
		cmocka_unit_test(test_host_path), cmocka_unit_test(test_bad_host_path),
		cmocka_unit_test(test_weight),	  cmocka_unit_test(test_io_weight),
		cmocka_unit_test(test_swap),	  cmocka_unit_test(test_keyed),
		cmocka_unit_test(test_hybrid),	  cmocka_unit_test(test_bad_mountinfo),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
