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
#include "guest/agent/caps.h"

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(cap_number("CAP_CHOWN"), 0);
	assert_int_equal(cap_number("CAP_SYS_ADMIN"), 21);
	assert_int_equal(cap_number("CAP_MKNOD"), 27);
	assert_int_equal(cap_number("CAP_SETFCAP"), 31);
	assert_int_equal(cap_number("CAP_AUDIT_READ"), 37);
	assert_int_equal(cap_number("CAP_CHECKPOINT_RESTORE"), 40);
	assert_int_equal(cap_number("cap_kill"), 5);
	/* The Rust runtime's ways to write them. */
	assert_int_equal(cap_number("KILL"), 5);
	assert_int_equal(cap_number("\"CAP_MKNOD\""), 27);
	assert_int_equal(cap_number("\"MKNOD\""), 27);
	assert_int_equal(cap_number("CAP_"), -EINVAL);
	assert_int_equal(cap_number("KIL"), -EINVAL);
	assert_int_equal(cap_number("CAP_CAP_KILL"), -EINVAL);
	assert_int_equal(cap_number("\""), -EINVAL);
	assert_int_equal(cap_number("\"\""), -EINVAL);
	assert_int_equal(cap_number("\"KILL"), -EINVAL);
	assert_int_equal(cap_number("CAP_KILLER"), -EINVAL);
	assert_int_equal(cap_number(""), -EINVAL);
}

static void test_sets(void **state)
{
	char *bounding[] = { (char *)"CAP_CHOWN", (char *)"CAP_NOSUCH", (char *)"CAP_BPF" };
	char *ambient[] = { (char *)"CAP_KILL" };
	Grpc__LinuxCapabilities spec = GRPC__LINUX_CAPABILITIES__INIT;
	const char *unknown;
	struct cap_sets sets;

	(void)state;
	spec.bounding = bounding;
	spec.n_bounding = ARRAY_SIZE(bounding);
	spec.ambient = ambient;
	spec.n_ambient = ARRAY_SIZE(ambient);
	cap_sets_parse(&spec, 40, &sets, &unknown);
	assert_int_equal(sets.bounding, UINT64_C(1) | UINT64_C(1) << 39);
	assert_int_equal(sets.ambient, 1 << 5);
	assert_int_equal(sets.effective | sets.permitted | sets.inheritable, 0);
	assert_string_equal(unknown, "CAP_NOSUCH");
	/* A kernel that ends before CAP_BPF. */
	cap_sets_parse(&spec, 37, &sets, &unknown);
	assert_int_equal(sets.bounding, 1);
}

static void test_last(void **state)
{
	(void)state;
	assert_true(cap_last() >= 37 && cap_last() < 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_last),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
