/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/policy.h"

static int done(void **state)
{
	(void)state;
	policy_done();
	return 0;
}

static void test_none(void **state)
{
	(void)state;
	assert_true(policy_allows("CopyFileRequest"));
}

static void test_rules(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(policy_set("# a comment\npackage agent_policy\n\n"
				    "default CopyFileRequest := true # here too\r\n"
				    "\tdefault ExecProcessRequest := false\n"
				    "default SetPolicyRequest = true",
				    &err),
			 0);
	assert_true(policy_allows("CopyFileRequest"));
	assert_true(policy_allows("SetPolicyRequest"));
	assert_false(policy_allows("ExecProcessRequest"));
	/* Not named: denied. */
	assert_false(policy_allows("CreateContainerRequest"));
	assert_int_equal(policy_set("default ExecProcessRequest := true", &err), 0);
	assert_true(policy_allows("ExecProcessRequest"));
	assert_false(policy_allows("CopyFileRequest"));
	assert_int_equal(policy_set("default AllowRequestsFailingPolicy := true\n"
				    "default CopyFileRequest := false",
				    &err),
			 0);
	assert_true(policy_allows("CopyFileRequest"));
	assert_true(policy_allows("ExecProcessRequest"));
	assert_int_equal(policy_set("default AllowRequestsFailingPolicy := false", &err), 0);
	assert_false(policy_allows("CopyFileRequest"));
}

/* What is not understood changes nothing. */
static void test_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
	} bad[] = {
		{ "", -EINVAL },
		{ "package agent_policy\n# default X := true\n", -EINVAL },
		{ "default X := true\nX { input.path == \"/x\" }", -EOPNOTSUPP },
		{ "default X := {\"allowed\": true}", -EOPNOTSUPP },
		{ "default X := maybe", -EOPNOTSUPP },
		{ "default X true", -EOPNOTSUPP },
		{ "default X :=", -EOPNOTSUPP },
		{ "default X := true; Y := false", -EOPNOTSUPP },
		{ "default X == true", -EOPNOTSUPP },
		{ "X := true", -EOPNOTSUPP },
	};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(policy_set("default CopyFileRequest := true", &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(policy_set(bad[i].text, &err), bad[i].code);
		assert_true(policy_allows("CopyFileRequest"));
		assert_false(policy_allows("X"));
	}
	assert_int_equal(policy_load("/nonexistent", &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_none, done),
		cmocka_unit_test_teardown(test_rules, done),
		cmocka_unit_test_teardown(test_refused, done),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
