/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/virtio/rate.h"

static void no_limit(void **state)
{
	const struct rate_limits none = { .ops_burst = 5 };
	struct rate r;

	(void)state;
	rate_init(&r, &none, 0);
	assert_false(rate_limited(&r));
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(rate_wait(&r, 0), 0);
		rate_take(&r, 1, UINT64_MAX);
	}
}

static void a_second_is_a_second(void **state)
{
	const struct rate_limits limits = { .ops = 10 };
	struct rate r;
	int64_t now = 1000000;

	(void)state;
	rate_init(&r, &limits, now);
	assert_true(rate_limited(&r));
	for (int i = 0; i < 10; i++) {
		assert_int_equal(rate_wait(&r, now), 0);
		rate_take(&r, 1, 0);
	}
	/* The 11th a tenth later, and so on. */
	for (int i = 0; i < 20; i++) {
		int64_t wait = rate_wait(&r, now);

		assert_in_range(wait, 1, 100);
		now += wait;
		assert_int_equal(rate_wait(&r, now), 0);
		rate_take(&r, 1, 0);
	}
	assert_in_range(now, 1000000 + 1901, 1000000 + 2000);
}

/* However big one request is, it passes; who comes after it waits. */
static void debt(void **state)
{
	const struct rate_limits limits = { .bytes = 1 << 20 };
	struct rate r;

	(void)state;
	rate_init(&r, &limits, 0);
	assert_int_equal(rate_wait(&r, 0), 0);
	rate_take(&r, 1, 11 << 20);
	assert_int_equal(rate_wait(&r, 0), 10001);
	assert_int_equal(rate_wait(&r, 10000), 1);
	assert_int_equal(rate_wait(&r, 10001), 0);
}

static void a_burst_comes_once(void **state)
{
	const struct rate_limits limits = { .ops = 10, .ops_burst = 100 };
	struct rate r;
	int n = 0;

	(void)state;
	rate_init(&r, &limits, 0);
	for (; rate_wait(&r, 0) == 0; n++)
		rate_take(&r, 1, 0);
	assert_int_equal(n, 110);
	for (n = 0; rate_wait(&r, 1000000) == 0; n++)
		rate_take(&r, 1, 0);
	assert_int_equal(n, 10);
}

static void the_stricter_one_counts(void **state)
{
	const struct rate_limits limits = { .ops = 1000, .bytes = 1000 };
	struct rate r;

	(void)state;
	rate_init(&r, &limits, 0);
	rate_take(&r, 1, 2000);
	assert_int_equal(rate_wait(&r, 0), 1001);
	rate_take(&r, 3000, 0);
	assert_int_equal(rate_wait(&r, 0), 2002);
}

static void numbers_out_of_bounds(void **state)
{
	const struct rate_limits limits = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX };
	struct rate r;

	(void)state;
	rate_init(&r, &limits, INT64_MIN / 2);
	assert_int_equal(rate_wait(&r, INT64_MAX / 2), 0);
	for (int i = 0; i < 1000; i++)
		rate_take(&r, UINT64_MAX, UINT64_MAX);
	assert_in_range(rate_wait(&r, INT64_MAX / 2), 1, 2000 * 1000);
	assert_int_equal(rate_wait(&r, 0), rate_wait(&r, 0)); /* a clock that goes back */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit),
		cmocka_unit_test(a_second_is_a_second),
		cmocka_unit_test(debt),
		cmocka_unit_test(a_burst_comes_once),
		cmocka_unit_test(the_stricter_one_counts),
		cmocka_unit_test(numbers_out_of_bounds),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
