/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/traits.h"

static void test_cpus(void **state)
{
	static const char *const bad[] = {
		"", ",", "x", "1-", "-1", "3-1", "1024", "0-1024", "1--2"
	};
	cpu_set_t set;

	(void)state;
	assert_int_equal(traits_cpus("0-2,5,1023", &set), 0);
	assert_int_equal(CPU_COUNT(&set), 5);
	assert_true(CPU_ISSET(0, &set) && CPU_ISSET(2, &set) && CPU_ISSET(1023, &set));
	assert_false(CPU_ISSET(3, &set));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(traits_cpus(bad[i], &set), -EINVAL);
}

static void test_umask(void **state)
{
	Grpc__User user = GRPC__USER__INIT;
	Grpc__Process p = GRPC__PROCESS__INIT;

	(void)state;
	assert_int_equal(traits_umask(&p), 022);
	p.user = &user;
	user.umask_of_case = GRPC__USER__UMASK_OF_UMASK;
	assert_int_equal(traits_umask(&p), 0);
	user.umask = 01077;
	assert_int_equal(traits_umask(&p), 077);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_umask),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
