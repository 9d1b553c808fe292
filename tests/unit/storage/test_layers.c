/* SPDX-License-Identifier: Apache-2.0 */
/* What a mounted root is made of, from the text of mountinfo. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/storage/image/layers.h"

static char base[] = "/tmp/test-layers-XXXXXX";

static int setup(void **state)
{
	static const char *const dirs[] = { "store/a/diff",    "store/b/diff", "store/c/merged",
					    "store/c/diff",    "store/l/A",    "store/l/B",
					    "odd/with: colon", "odd/co,mma",   "plain" };

	(void)state;
	if (!mkdtemp(base))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		auto_free char *path = path_join(base, dirs[i]);

		if (dir_make(path, 0755, NULL) < 0)
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(base, NULL);
}

static void find(const char *mountinfo, const char *rootfs, struct layers *l)
{
	auto_free char *path = path_join(base, rootfs);
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;

	/* "@" stands for the directory of the test. */
	for (const char *p = mountinfo; *p; p++)
		if (*p == '@')
			str_puts(&text, base);
		else
			str_putc(&text, *p);
	if (layers_find(str_text(&text), path, l, &err) < 0)
		fail_msg("%s", err_msg(&err));
}

static void is(const char *path, const char *below)
{
	auto_free char *wanted = path_join(base, below);

	assert_string_equal(path, wanted);
}

#define ROOT "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
#define C    "2 1 0:50 / @/store/c/merged rw,relatime shared:1 - overlay overlay "

static void test_overlay(void **state)
{
	struct layers l;

	(void)state;
	find(ROOT C "rw,lowerdir=@/store/a/diff:@/store/b/diff,upperdir=@/store/c/diff,"
		    "workdir=@/store/c/work,metacopy=on\n",
	     "store/c/merged", &l);
	assert_true(l.overlay);
	assert_int_equal(l.lower.n, 2);
	is(l.lower.v[0], "store/a/diff");
	is(l.lower.v[1], "store/b/diff");
	is(l.upper, "store/c/diff");
	is(l.beside, "store/c");
	assert_int_equal(l.with.n, 1);
	assert_string_equal(l.with.v[0], "metacopy=on");
	assert_false(l.mounted_in);
	layers_free(&l);
	/* Without an upper layer nothing is written. */
	find(ROOT C "ro,lowerdir=@/store/a/diff:@/store/b/diff\n", "store/c/merged", &l);
	assert_true(l.overlay);
	assert_null(l.upper);
	assert_null(l.beside);
	layers_free(&l);
	/* Newer kernels have each layer by itself. */
	find(ROOT C "ro,lowerdir+=@/store/a/diff,lowerdir+=@/store/b/diff\n", "store/c/merged", &l);
	assert_int_equal(l.lower.n, 2);
	layers_free(&l);
}

/* As an engine mounts them from within its directory. */
static void test_relative(void **state)
{
	struct layers l;

	(void)state;
	find(ROOT C "rw,lowerdir=l/A:l/B,upperdir=c/diff,workdir=c/work\n", "store/c/merged", &l);
	assert_true(l.overlay);
	is(l.lower.v[0], "store/l/A");
	is(l.lower.v[1], "store/l/B");
	is(l.upper, "store/c/diff");
	layers_free(&l);
}

static void test_odd_names(void **state)
{
	struct layers l;

	(void)state;
	find(ROOT C
	     "rw,lowerdir=@/odd/with\\134:\\040colon:@/odd/co\\054mma,upperdir=@/store/c/diff\n",
	     "store/c/merged", &l);
	assert_true(l.overlay);
	is(l.lower.v[0], "odd/with: colon");
	is(l.lower.v[1], "odd/co,mma");
	layers_free(&l);
}

/* What cannot be taken apart is the directory that it is mounted on. */
static void test_directories(void **state)
{
	static const char *const mounts[] = {
		ROOT,
		"",
		"garbage\n\n - \n1 2 3 - x\n",
		ROOT C "rw,lowerdir=@/nowhere:@/store/b/diff,upperdir=@/store/c/diff\n",
		ROOT C "rw,lowerdir=@/store/a/diff,upperdir=@/nowhere\n",
		ROOT C "rw,lowerdir=@/store/a/diff::@/store/b/diff\n",
		ROOT C "rw,lowerdir+=@/store/a/diff,datadir+=@/store/b/diff\n",
		ROOT C "rw,lowerdir=l/A:nothere\n",
		ROOT C "rw\n",
		ROOT
		"2 1 0:50 / @/store/c/merged rw - fuse.fuse-overlayfs fuse rw,lowerdir=@/plain\n",
		/* The last one covers the others. */
		ROOT C "rw,lowerdir=@/store/a/diff:@/store/b/diff\n"
		       "3 2 8:1 /x @/store/c/merged rw - ext4 /dev/sda1 rw\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		struct layers l;

		find(mounts[i], "store/c/merged", &l);
		assert_false(l.overlay);
		assert_int_equal(l.lower.n, 1);
		is(l.lower.v[0], "store/c/merged");
		assert_null(l.upper);
		assert_null(l.beside);
		assert_int_equal(l.with.n, 0);
		layers_free(&l);
	}
}

static void test_mounts_in_it(void **state)
{
	struct layers l;

	(void)state;
	find(ROOT "2 1 8:1 / @/plain/x rw - tmpfs x rw\n", "plain", &l);
	assert_true(l.mounted_in);
	layers_free(&l);
	/* What was there before it was mounted is covered; a name is not a part of one. */
	find(ROOT "2 1 8:1 / @/plain/x rw - tmpfs x rw\n3 1 8:1 / @/plain rw - tmpfs x rw\n"
		  "4 1 8:1 / @/plainly rw - tmpfs x rw\n",
	     "plain", &l);
	assert_false(l.mounted_in);
	layers_free(&l);
}

static void test_not_there(void **state)
{
	auto_free char *path = path_join(base, "nowhere");
	struct err err = ERR_INIT;
	struct layers l;

	(void)state;
	assert_int_equal(layers_find(ROOT, path, &l, &err), -ENOENT);
	assert_non_null(strstr(err_msg(&err), "nowhere"));
	layers_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overlay),	     cmocka_unit_test(test_relative),
		cmocka_unit_test(test_odd_names),    cmocka_unit_test(test_directories),
		cmocka_unit_test(test_mounts_in_it), cmocka_unit_test(test_not_there),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
