/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"

static void grows_and_drops(void **state)
{
	auto_str struct str s = STR_INIT;

	(void)state;
	assert_string_equal(str_text(&s), "");
	for (int i = 0; i < 1000; i++)
		str_printf(&s, "%d,", i % 10);
	assert_int_equal(s.len, 2000);
	str_drop(&s, 1998);
	assert_string_equal(str_text(&s), "9,");
	str_drop(&s, 50);
	assert_int_equal(s.len, 0);
	str_add(&s, "a\0b", 3);
	assert_int_equal(s.len, 3);
}

static void take_never_gives_null(void **state)
{
	struct str s = STR_INIT;
	auto_free char *text = str_take(&s);

	(void)state;
	assert_string_equal(text, "");
}

static void vector_ends_with_null(void **state)
{
	auto_strv struct strv v = { 0 };

	(void)state;
	strv_add(&v, "a");
	strv_addf(&v, "%d", 5);
	assert_int_equal(v.n, 2);
	assert_string_equal(v.v[1], "5");
	assert_null(v.v[2]);
}

static void numbers_are_whole(void **state)
{
	static const char *const bad[] = { "", "-", "1x", " 1", "+1", "0x10", "1 ", "--1" };
	long long v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(str_to_ll(bad[i], LLONG_MIN, LLONG_MAX, &v), -EINVAL);
	assert_int_equal(str_to_ll("9223372036854775808", LLONG_MIN, LLONG_MAX, &v), -ERANGE);
	assert_int_equal(str_to_ll("11", 0, 10, &v), -ERANGE);
	assert_int_equal(str_to_ll("-9223372036854775808", LLONG_MIN, LLONG_MAX, &v), 0);
	assert_true(v == LLONG_MIN);
	assert_int_equal(str_to_ll("010", 0, 10, &v), 0);
	assert_int_equal(v, 10);
}

static void ends(void **state)
{
	(void)state;
	assert_true(str_starts("kata-agent", "kata"));
	assert_false(str_starts("ka", "kata"));
	assert_true(str_ends("a.toml", ".toml"));
	assert_false(str_ends("toml", "a.toml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_drops),
		cmocka_unit_test(take_never_gives_null),
		cmocka_unit_test(vector_ends_with_null),
		cmocka_unit_test(numbers_are_whole),
		cmocka_unit_test(ends),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
