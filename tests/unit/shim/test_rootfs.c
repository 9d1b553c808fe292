/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's mounts, in a mount namespace of the test's own. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "host/shim/rootfs.h"

#define PAGE 4096

static char dir[] = "/tmp/test-rootfs-XXXXXX";
static char *source, *target, *file;
static bool may_mount;

static int setup(void **state)
{
	auto_free char *in = NULL;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	source = path_join(dir, "source");
	target = path_join(dir, "bundle/rootfs");
	file = path_join(target, "file");
	in = path_join(source, "file");
	if (mkdir(source, 0755) < 0 || file_replace(in, "x", 1, 0644, NULL) < 0)
		return -1;
	may_mount = unshare(CLONE_NEWNS) == 0;
	if (!may_mount)
		return errno == EPERM ? 0 : -1;
	/* What is mounted below it is seen nowhere else. */
	return mount(dir, dir, "", MS_BIND, "") < 0 || mount("", dir, "", MS_PRIVATE, "") < 0 ? -1 :
												0;
}

static int teardown(void **state)
{
	(void)state;
	if (may_mount)
		umount2(dir, MNT_DETACH);
	free(source);
	free(target);
	free(file);
	return tree_remove(dir, NULL);
}

static void need_mounts(void)
{
	if (!may_mount)
		skip(); /* only root may */
}

/* Mount @n times on the target: each a type, a source, and options between blanks. */
static int try_mount(const char *const (*mounts)[3], size_t n, struct err *err)
{
	Containerd__Types__Mount m[4], *list[4];
	char *options[4][8], *copies[4];
	int r;

	for (size_t i = 0; i < n; i++) {
		containerd__types__mount__init(&m[i]);
		m[i].type = (char *)(uintptr_t)mounts[i][0];
		m[i].source = (char *)(uintptr_t)mounts[i][1];
		m[i].options = options[i];
		copies[i] = xstrdup(mounts[i][2]);
		for (char *o = strtok(copies[i], " "); o; o = strtok(NULL, " "))
			options[i][m[i].n_options++] = o;
		list[i] = &m[i];
	}
	r = rootfs_mount(target, list, n, err);
	for (size_t i = 0; i < n; i++)
		free(copies[i]);
	return r;
}

static void tells_disks_from_directories(void **state)
{
	static const struct {
		const char *type, *source;
		const char *options[4];
		bool disk, read_only;
		size_t n_options; /* that are left */
	} cases[] = {
		{ "ext4", "/proc/self/exe", { "loop", "ro", "noatime" }, true, true, 2 },
		{ "ext4", "/proc/self/exe", { "loop", "ro", "rw" }, true, false, 2 },
		{ "ext4", "/proc/self/exe", { "loop", "defaults" }, true, false, 0 },
		/* A file that nobody calls a disk, directories, what is not there. */
		{ "ext4", "/proc/self/exe", { "ro" }, false, false, 0 },
		{ "bind", "/proc/self/exe", { "loop", "bind" }, false, false, 0 },
		{ "overlay", "overlay", { "lowerdir=/a" }, false, false, 0 },
		{ "ext4", "/tmp", { "loop" }, false, false, 0 },
		{ "ext4", "/nonexistent", { "loop" }, false, false, 0 },
		{ "", "/proc/self/exe", { "loop" }, false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Containerd__Types__Mount m = CONTAINERD__TYPES__MOUNT__INIT, *two[] = { &m, &m };
		struct sandbox_disk disk = { .source = NULL };

		m.type = (char *)(uintptr_t)cases[i].type;
		m.source = (char *)(uintptr_t)cases[i].source;
		m.options = (char **)(uintptr_t)cases[i].options;
		while (m.n_options < 4 && m.options[m.n_options])
			m.n_options++;
		assert_int_equal(rootfs_is_disk(two, 1, &disk), cases[i].disk);
		if (cases[i].disk) {
			assert_string_equal(disk.source, m.source);
			assert_string_equal(disk.fstype, "ext4");
			assert_int_equal(disk.read_only, cases[i].read_only);
			assert_int_equal(disk.options.n, cases[i].n_options);
		}
		sandbox_disk_free(&disk);
		assert_false(rootfs_is_disk(two, 2, &disk));
	}
}

static void binds_read_only(void **state)
{
	const char *const mounts[][3] = { { "bind", source, "rbind ro" } };

	(void)state;
	need_mounts();
	assert_int_equal(try_mount(mounts, 1, NULL), 0);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(access(file, W_OK), -1);
	assert_int_equal(errno, EROFS);
	rootfs_unmount(target);
	assert_int_equal(access(file, F_OK), -1);
}

static void mounts_with_flags_and_data(void **state)
{
	const char *const mounts[][3] = { { "tmpfs", "tmpfs", "nosuid size=64k mode=0750 nodev" } };
	struct stat st;

	(void)state;
	need_mounts();
	assert_int_equal(try_mount(mounts, 1, NULL), 0);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	rootfs_unmount(target);
}

static void leaves_nothing_when_one_fails(void **state)
{
	const char *const mounts[][3] = { { "bind", source, "rbind rw" },
					  { "nosuchfs", "nowhere", "" } };
	struct err err = ERR_INIT;

	(void)state;
	need_mounts();
	assert_true(try_mount(mounts, 2, &err) < 0);
	assert_non_null(strstr(err.msg, "cannot mount nowhere (nosuchfs) on "));
	assert_int_equal(access(file, F_OK), -1);
}

static void refuses_more_data_than_the_kernel_takes(void **state)
{
	auto_free char *options = xmalloc(PAGE + 16);
	const char *mounts[][3] = { { "tmpfs", "tmpfs", options } };
	struct err err = ERR_INIT;

	(void)state;
	need_mounts();
	memset(options, 'x', PAGE + 15);
	options[PAGE + 15] = '\0';
	assert_int_equal(try_mount(mounts, 1, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "the options of the mount of tmpfs on "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_disks_from_directories),
		cmocka_unit_test(binds_read_only),
		cmocka_unit_test(mounts_with_flags_and_data),
		cmocka_unit_test(leaves_nothing_when_one_fails),
		cmocka_unit_test(refuses_more_data_than_the_kernel_takes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
