/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roots as disks, in a mount namespace of its own: when an image is made anew and when not,
 * and what goes wrong on the way. What is in the images is integration/images.bats' affair.
 * Needs root.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/loop.h"
#include "host/storage/image/prepare.h"
#include "host/storage/image/tree.h"
#include "host/storage/unmount.h"

#define LIMIT_MS 60000

static char base[] = "/tmp/test-image-XXXXXX";
static struct loop *loop;

/* How it went. */
static struct {
	unsigned done;
	struct err err;
	struct image_root root;
} result;

static int setup(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		fputs("this test mounts: it needs root\n", stderr);
		return -1;
	}
	/* An upper layer cannot lie on an overlay. */
	if (!mkdtemp(base) || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("test", base, "tmpfs", 0, "size=64m") < 0)
		return -1;
	loop = loop_new();
	return chdir(base);
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	if (chdir("/") < 0 || unmount_below(base, NULL) < 0)
		return -1;
	return rmdir(base);
}

static void put(const char *path, const char *text)
{
	assert_int_equal(file_replace(path, text, strlen(text), 0644, NULL), 0);
}

/* An overlay of two layers, and a directory. */
static int begin(void **state)
{
	static const char *const dirs[] = { "low/1/d",	 "low/2",  "snap/up",
					    "snap/work", "snap/m", "plain/d" };

	(void)state;
	result.root.n = 0;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (dir_make(dirs[i], 0755, NULL) < 0)
			return -1;
	put("low/1/d/one", "one");
	put("low/2/two", "two");
	put("plain/d/file", "file");
	return mount("o", "snap/m", "overlay", 0,
		     "lowerdir=low/1:low/2,upperdir=snap/up,workdir=snap/work");
}

static int end(void **state)
{
	static const char *const dirs[] = { "low", "snap", "plain", "images", "writable" };

	(void)state;
	image_root_release(&result.root);
	if (umount2("snap/m", MNT_DETACH) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (tree_remove(dirs[i], NULL) < 0)
			return -1;
	return 0;
}

static void on_done(const struct err *err, const struct image_root *root, void *arg)
{
	(void)arg;
	result.done++;
	err_clear(&result.err);
	if (err)
		result.err = *err;
	image_root_release(&result.root);
	if (root)
		result.root = *root;
}

static struct preparation *start(const char *rootfs, bool memory, uint64_t cache_max)
{
	auto_free char *path = path_join(base, rootfs), *images = path_join(base, "images");
	auto_free char *writables = path_join(base, "writable");
	const struct image_ask ask = {
		.place = SOURCE_HERE,
		.rootfs = path,
		.cache = images,
		.writables = writables,
		.cache_max = cache_max,
		.size = 16 << 20,
		.memory = memory,
	};
	struct preparation *p;

	result.done = 0;
	image_root_release(&result.root);
	p = image_prepare(loop, &ask, LIMIT_MS, on_done, NULL, NULL);
	assert_non_null(p);
	return p;
}

static void await_all(unsigned n)
{
	while (result.done < n)
		assert_int_equal(loop_step(loop, LIMIT_MS), 0);
	/* The child is reaped later. */
	(void)loop_step(loop, 100);
}

static void await(void)
{
	await_all(1);
}

static void prepare(const char *rootfs, bool memory)
{
	start(rootfs, memory, UINT64_MAX);
	await();
	if (result.err.code)
		fail_msg("%s", err_msg(&result.err));
}

static size_t count(const char *dir)
{
	auto_closedir DIR *d = opendir(dir);
	size_t n = 0;

	while (d && readdir(d))
		n++;
	return n < 2 ? 0 : n - 2;
}

static const char *name_of(const struct image_disk *disk)
{
	return strrchr(disk->path, '/') + 1;
}

static void test_an_overlay(void **state)
{
	auto_free char *writable = path_join(base, "snap/kata-c.img");
	struct stat st;

	(void)state;
	prepare("snap/m", false);
	assert_int_equal(result.root.n, 2);
	assert_true(result.root.writable);
	assert_false(result.root.mounts);
	assert_string_equal(result.root.disks[1].path, writable);
	assert_int_equal(stat(writable, &st), 0);
	assert_int_equal(st.st_size, 16 << 20);
	assert_true(st.st_blocks * 512 < st.st_size);
	/* Whoever looks for changes in the layer is told where they are. */
	assert_int_equal(stat("snap/m/" TREE_MARK, &st), 0);
	assert_int_equal(st.st_nlink, 2);
	/* An archive in the order of the names must have the other one before it. */
	assert_true(strcmp(TREE_MARK_FIRST, TREE_MARK) < 0);
	assert_int_equal(access("snap/m/" TREE_MARK_FIRST, R_OK), 0);
	assert_int_equal(count("images"), 1);
	/* What the engine wrote is an image of its own; that below stays. */
	put("snap/m/mine", "mine");
	prepare("snap/m", false);
	assert_int_equal(result.root.n, 3);
	assert_int_equal(count("images"), 2);
	/* Where nothing is to stay there is no file. */
	assert_int_equal(unlink(writable), 0);
	prepare("snap/m", true);
	assert_int_equal(result.root.n, 2);
	assert_false(result.root.writable);
	assert_int_equal(access(writable, F_OK), -1);
}

static void test_two_containers_of_one_image(void **state)
{
	auto_free char *first = NULL;

	(void)state;
	prepare("snap/m", true);
	first = xstrdup(result.root.disks[0].path);
	assert_int_equal(dir_make("other/up", 0755, NULL), 0);
	assert_int_equal(dir_make("other/work", 0755, NULL), 0);
	assert_int_equal(dir_make("other/m", 0755, NULL), 0);
	assert_int_equal(mount("o", "other/m", "overlay", 0,
			       "lowerdir=low/1:low/2,upperdir=other/up,workdir=other/work"),
			 0);
	prepare("other/m", true);
	assert_string_equal(result.root.disks[0].path, first);
	assert_int_equal(count("images"), 1);
	/* The root's owner and mode are the container's own. */
	assert_int_equal(chmod("other/up", 0700), 0);
	prepare("other/m", true);
	assert_string_not_equal(result.root.disks[0].path, first);
	assert_int_equal(umount2("other/m", MNT_DETACH), 0);
	assert_int_equal(tree_remove("other", NULL), 0);
}

/* Another content with the same size, and the time put back. */
static void rewrite(const char *path, const char *text)
{
	struct timespec times[2];
	struct stat st;
	int fd;

	assert_int_equal(stat(path, &st), 0);
	fd = open(path, O_WRONLY);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void replace(const char *path)
{
	auto_free char *other = xasprintf("%s.new", path);

	put(other, "one");
	assert_int_equal(rename(other, path), 0);
}

/* Whatever changes in whichever layer: no image from before is served. */
static void test_never_stale(void **state)
{
	static const char *const dirs[] = { "low/1/d", "low/2", "snap/up", "plain/d" };
	static const char *const roots[] = { "snap/m", "snap/m", "snap/m", "plain" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		auto_free char *file = path_join(dirs[i], "f"), *moved = path_join(dirs[i], "g");
		auto_strv struct strv seen = { NULL, 0 };

		for (int change = 0; change < 7; change++) {
			auto_str struct str names = STR_INIT;

			if (change == 0)
				put(file, "one");
			else if (change == 1)
				rewrite(file, "two");
			else if (change == 2)
				replace(file);
			else if (change == 3)
				assert_int_equal(chmod(file, 0600), 0);
			else if (change == 4)
				assert_int_equal(rename(file, moved), 0);
			else if (change == 5)
				assert_int_equal(chown(moved, 1, 1), 0);
			else
				assert_int_equal(unlink(moved), 0);
			prepare(roots[i], true);
			for (unsigned d = 0; d < result.root.n; d++)
				str_printf(&names, "%s ", name_of(&result.root.disks[d]));
			for (size_t s = 0; s < seen.n; s++)
				assert_string_not_equal(seen.v[s], str_text(&names));
			strv_add(&seen, str_text(&names));
			/* And nothing is made when nothing changed. */
			names.len = count("images");
			prepare(roots[i], true);
			assert_int_equal(count("images"), names.len);
		}
	}
}

static void test_makers_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		start("plain", true, UINT64_MAX);
	await_all(3);
	assert_int_equal(result.err.code, 0);
	assert_int_equal(count("images"), 1);
}

/* Killed in the middle: the next one makes it whole. */
static void test_killed(void **state)
{
	struct preparation *p;
	struct stat st;

	(void)state;
	put("plain/d/big", "");
	assert_int_equal(truncate("plain/d/big", 1 << 20), 0);
	for (int i = 0; i < 20; i++) {
		auto_free char *file = xasprintf("plain/f%d", i);
		int fd = open(file, O_CREAT | O_WRONLY, 0600);

		assert_int_equal(fallocate(fd, 0, 0, 1 << 20), 0);
		close(fd);
	}
	p = start("plain", true, UINT64_MAX);
	while (count("images") == 0)
		sched_yield();
	image_drop(p);
	(void)loop_step(loop, 100);
	prepare("plain", true);
	assert_int_equal(count("images"), 1);
	assert_int_equal(stat(result.root.disks[0].path, &st), 0);
	assert_true(st.st_size > 20 << 20);
	image_root_release(&result.root);
}

static void test_given_up(void **state)
{
	struct err why = ERR_INIT;

	(void)state;
	err_set(&why, ECANCELED, "nobody wants it");
	image_cancel(start("plain", false, UINT64_MAX), &why);
	await();
	assert_int_equal(result.err.code, -ECANCELED);
	image_drop(start("plain", false, UINT64_MAX));
	(void)loop_step(loop, 100);
	assert_int_equal(result.done, 0);
	/* What was being made is made by the next one. */
	prepare("plain", false);
	assert_int_equal(count("images"), 1);
}

static void test_one_writes(void **state)
{
	struct image_root first;

	(void)state;
	prepare("snap/m", false);
	first = result.root;
	result.root.n = 0;
	start("snap/m", false, UINT64_MAX);
	await();
	assert_int_equal(result.err.code, -EBUSY);
	assert_non_null(strstr(err_msg(&result.err), "another machine writes to it"));
	image_root_release(&first);
	prepare("snap/m", false);
}

/* What belongs to a directory goes when that has gone. */
static void test_sweep(void **state)
{
	auto_free char *was = NULL;

	(void)state;
	prepare("plain", false);
	was = xstrdup(result.root.disks[1].path);
	assert_int_equal(dir_make("plain2", 0755, NULL), 0);
	prepare("plain", false);
	assert_string_equal(result.root.disks[1].path, was);
	assert_int_equal(tree_remove("plain", NULL), 0);
	/* Not as long as somebody has it. */
	{
		struct image_root used = result.root;

		result.root.n = 0;
		prepare("plain2", false);
		assert_int_equal(access(was, F_OK), 0);
		image_root_release(&used);
	}
	prepare("plain2", false);
	assert_int_equal(access(was, F_OK), -1);
	assert_int_equal(count("writable"), 2);
	/* One of the same name is another one. */
	assert_int_equal(dir_make("plain", 0755, NULL), 0);
	prepare("plain", false);
	assert_string_not_equal(result.root.disks[1].path, was);
	assert_int_equal(tree_remove("plain2", NULL), 0);
}

static void test_full_disk(void **state)
{
	auto_free char *big = xcalloc(1, 3 << 20);
	int fd = open("plain/big", O_CREAT | O_WRONLY, 0600);

	(void)state;
	memset(big, 'x', 3 << 20);
	assert_int_equal(fd_write_full(fd, big, 3 << 20), 0);
	close(fd);
	assert_int_equal(dir_make("images", 0755, NULL), 0);
	assert_int_equal(mount("small", "images", "tmpfs", 0, "size=2m"), 0);
	start("plain", true, UINT64_MAX);
	await();
	assert_int_equal(result.err.code, -ENOSPC);
	assert_non_null(strstr(err_msg(&result.err), "root file system"));
	assert_non_null(strstr(err_msg(&result.err), "No space left on device"));
	assert_int_equal(count("images"), 0);
	/* Images that nobody uses make room. */
	assert_int_equal(truncate("plain/big", 1 << 20), 0);
	prepare("plain", true);
	assert_int_equal(truncate("plain/big", 3 << 19), 0);
	prepare("plain", true);
	assert_int_equal(count("images"), 1);
	image_root_release(&result.root);
	assert_int_equal(umount2("images", MNT_DETACH), 0);
}

static void test_full_disk_for_what_is_written(void **state)
{
	(void)state;
	assert_int_equal(dir_make("writable", 0755, NULL), 0);
	assert_int_equal(mount("small", "writable", "tmpfs", 0, "size=64k"), 0);
	start("plain", false, UINT64_MAX);
	await();
	assert_true(result.err.code < 0);
	assert_non_null(strstr(err_msg(&result.err), "what the container writes"));
	assert_int_equal(count("writable"),
			 1); /* the name of its directory, until the next sweep */
	assert_int_equal(umount2("writable", MNT_DETACH), 0);
}

static void test_bad_roots(void **state)
{
	(void)state;
	start("nowhere", true, UINT64_MAX);
	await();
	assert_int_equal(result.err.code, -ENOENT);
	start("plain/d/file", true, UINT64_MAX);
	await();
	assert_int_equal(result.err.code, -ENOTDIR);
	assert_int_equal(count("images"), 0);
	/* What is mounted in it is told of. */
	assert_int_equal(mount("x", "plain/d", "tmpfs", 0, ""), 0);
	prepare("plain", true);
	assert_true(result.root.mounts);
	assert_int_equal(umount2("plain/d", MNT_DETACH), 0);
}

/* Deeper than anybody's image, and than this goes. */
static void test_depth(void **state)
{
	int at = open("plain", O_RDONLY | O_DIRECTORY);

	(void)state;
	for (int i = 0; i < 600; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0755) < 0 && errno != EEXIST, 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY);
		close(at);
		at = next;
	}
	close(at);
	start("plain", true, UINT64_MAX);
	await();
	assert_int_equal(result.err.code, -E2BIG);
	assert_int_equal(count("images"), 0);
}

#define TEST(F) cmocka_unit_test_setup_teardown(F, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_overlay),
		TEST(test_two_containers_of_one_image),
		TEST(test_never_stale),
		TEST(test_makers_at_once),
		TEST(test_killed),
		TEST(test_given_up),
		TEST(test_one_writes),
		TEST(test_sweep),
		TEST(test_full_disk),
		TEST(test_bad_roots),
		TEST(test_full_disk_for_what_is_written),
		TEST(test_depth),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
