/* SPDX-License-Identifier: Apache-2.0 */
/* The newest bytes of output: in order, in one piece or two, and the oldest go first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "vmm/virtio/backlog.h"

static int setup(void **state)
{
	*state = xcalloc(1, sizeof(struct backlog));
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Bytes @from … @from + @n of a stream in which each byte is known. */
static bool add(struct backlog *b, size_t from, size_t n)
{
	uint8_t *data = xcalloc(1, n + 1);
	bool whole;

	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)((from + i) % 251);
	whole = backlog_add(b, data, n);
	free(data);
	return whole;
}

/* What waits is the stream's @n bytes from @from on. */
static void expect(struct backlog *b, size_t from, size_t n)
{
	struct iovec iov[2];
	unsigned pieces = backlog_look(b, iov);
	size_t seen = 0;

	for (unsigned i = 0; i < pieces; i++) {
		assert_true(iov[i].iov_len > 0);
		for (size_t k = 0; k < iov[i].iov_len; k++, seen++)
			assert_int_equal(((uint8_t *)iov[i].iov_base)[k], (from + seen) % 251);
	}
	assert_int_equal(seen, n);
	assert_int_equal(b->len, n);
}

static void test_in_order(void **state)
{
	struct backlog *b = *state;

	expect(b, 0, 0);
	assert_true(add(b, 0, 0));
	assert_true(add(b, 0, 100));
	expect(b, 0, 100);
	backlog_drop(b, 40);
	expect(b, 40, 60);
	assert_true(add(b, 100, 7));
	expect(b, 40, 67);
	backlog_drop(b, 67);
	expect(b, 0, 0);
}

static void test_around_the_end(void **state)
{
	struct backlog *b = *state;

	assert_true(add(b, 0, BACKLOG_BYTES - 10));
	backlog_drop(b, BACKLOG_BYTES - 30);
	assert_true(add(b, BACKLOG_BYTES - 10, 50));
	expect(b, BACKLOG_BYTES - 30, 70);
	backlog_drop(b, 25);
	expect(b, BACKLOG_BYTES - 5, 45);
}

static void test_full(void **state)
{
	static const struct {
		size_t before, more;
		bool whole;
	} cases[] = {
		{ 0, BACKLOG_BYTES, true },  { 1, BACKLOG_BYTES - 1, true },
		{ 1, BACKLOG_BYTES, false }, { 1000, 3 * BACKLOG_BYTES + 17, false },
		{ BACKLOG_BYTES, 1, false },
	};
	struct backlog *b = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t all = cases[i].before + cases[i].more;
		size_t kept = all < BACKLOG_BYTES ? all : BACKLOG_BYTES;

		assert_true(add(b, 0, cases[i].before));
		assert_int_equal(add(b, cases[i].before, cases[i].more), cases[i].whole);
		expect(b, all - kept, kept);
		backlog_drop(b, kept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_around_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
