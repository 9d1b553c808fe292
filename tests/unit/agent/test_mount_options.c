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
#include "guest/agent/mount_options.h"

static void parse(struct mount_options *o, size_t n, ...)
{
	char *list[16];
	va_list ap;

	va_start(ap, n);
	for (size_t i = 0; i < n; i++)
		list[i] = va_arg(ap, char *);
	va_end(ap);
	mount_options_parse(list, n, o);
}

static void test_attributes(void **state)
{
	struct mount_options o;

	(void)state;
	parse(&o, 5, "nosuid", "nodev", "noexec", "ro", "defaults");
	assert_int_equal(o.set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
					MOUNT_ATTR_RDONLY);
	assert_int_equal(o.clear, 0);
	assert_int_equal(o.data.n, 0);
	mount_options_done(&o);
	/* The last word counts. */
	parse(&o, 2, "ro", "rw");
	assert_int_equal(o.set, 0);
	assert_int_equal(o.clear, MOUNT_ATTR_RDONLY);
	parse(&o, 2, "rw", "ro");
	assert_int_equal(o.set, MOUNT_ATTR_RDONLY);
	assert_int_equal(o.clear, 0);
}

static void test_access_times(void **state)
{
	struct mount_options o;

	(void)state;
	/* One field: the kernel wants all of it cleared when any of it is set. */
	parse(&o, 1, "noatime");
	assert_int_equal(o.set, MOUNT_ATTR_NOATIME);
	assert_int_equal(o.clear, MOUNT_ATTR__ATIME);
	parse(&o, 2, "noatime", "strictatime");
	assert_int_equal(o.set, MOUNT_ATTR_STRICTATIME);
	assert_int_equal(o.clear, MOUNT_ATTR__ATIME);
	parse(&o, 2, "strictatime", "relatime");
	assert_int_equal(o.set, 0);
	assert_int_equal(o.clear, MOUNT_ATTR__ATIME);
}

static void test_recursive(void **state)
{
	struct mount_options o;

	(void)state;
	parse(&o, 3, "rbind", "rro", "nodev");
	assert_true(o.bind && o.recursive);
	assert_int_equal(o.rec_set, MOUNT_ATTR_RDONLY);
	assert_int_equal(o.set, MOUNT_ATTR_NODEV);
	parse(&o, 1, "bind");
	assert_true(o.bind && !o.recursive);
	parse(&o, 1, "relatime");
	assert_int_equal(o.rec_set | o.rec_clear, 0);
}

static void test_propagation(void **state)
{
	struct mount_options o;
	unsigned long flag;
	bool rec;

	(void)state;
	parse(&o, 1, "rslave");
	assert_int_equal(o.propagation, MS_SLAVE);
	assert_true(o.propagation_rec);
	parse(&o, 2, "rslave", "shared");
	assert_int_equal(o.propagation, MS_SHARED);
	assert_false(o.propagation_rec);
	assert_int_equal(propagation_parse("runbindable", &flag, &rec), 0);
	assert_int_equal(flag, MS_UNBINDABLE);
	assert_int_equal(propagation_parse("r", &flag, &rec), -EINVAL);
	assert_int_equal(propagation_parse("", &flag, &rec), -EINVAL);
	assert_int_equal(propagation_parse("rrslave", &flag, &rec), -EINVAL);
}

static void test_data(void **state)
{
	struct mount_options o;

	(void)state;
	parse(&o, 5, "size=64k", "nosuid", "mode=755", "newinstance", "tmpcopyup");
	assert_int_equal(o.data.n, 3);
	assert_string_equal(o.data.v[0], "size=64k");
	assert_string_equal(o.data.v[2], "newinstance");
	assert_true(o.copy_up);
	mount_options_done(&o);
	parse(&o, 2, "bind", "idmap");
	assert_true(o.idmap && !o.idmap_rec && o.data.n == 0);
	parse(&o, 2, "rbind", "ridmap");
	assert_true(o.idmap && o.idmap_rec && o.data.n == 0);
	parse(&o, 1, "bind");
	assert_false(o.idmap || o.idmap_rec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attributes), cmocka_unit_test(test_access_times),
		cmocka_unit_test(test_recursive),  cmocka_unit_test(test_propagation),
		cmocka_unit_test(test_data),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
