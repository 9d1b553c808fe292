/* SPDX-License-Identifier: Apache-2.0 */
/* Guest addresses: memory with its hole, the bus, lines. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/memory.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static void test_memory(void **state)
{
	struct memory m;

	(void)state;
	/* On both sides of the hole, and more than the host has: nothing is reserved. */
	assert_int_equal(memory_init(&m, 64 * GIB, 3 * GIB, 4 * GIB, false, NULL), 0);
	assert_int_equal(m.n, 2);
	assert_int_equal(m.region[1].start, 4 * GIB);
	assert_int_equal(m.region[1].size, 61 * GIB);
	for (unsigned i = 0; i < m.n; i++)
		assert_int_equal((uintptr_t)m.region[i].host & (MEMORY_ALIGN - 1), 0);
	assert_non_null(memory_at(&m, 0, 3 * GIB));
	assert_null(memory_at(&m, 0, 3 * GIB + 1));
	assert_null(memory_at(&m, 3 * GIB, 1));
	assert_null(memory_at(&m, 4 * GIB - 1, 2));
	assert_non_null(memory_at(&m, 65 * GIB - 1, 1));
	assert_null(memory_at(&m, 65 * GIB, 1));
	assert_null(memory_at(&m, UINT64_MAX, 2));
	assert_null(memory_at(&m, 1, UINT64_MAX));
	assert_null(memory_at(&m, 0, 0));
	memory_done(&m);
	assert_int_equal(memory_init(&m, 64 * MIB, 3 * GIB, 4 * GIB, true, NULL), 0);
	/* Whoever a memfd is given to cannot take it away again. */
	if (fcntl(m.fd, F_GET_SEALS) & F_SEAL_SHRINK)
		assert_int_equal(ftruncate(m.fd, 0), -1);
	else
		assert_int_equal(geteuid(), 0);
	assert_int_equal(m.n, 1);
	assert_true(m.fd >= 0);
	memory_done(&m);
	assert_int_equal(memory_init(&m, 64 * MIB + 4096, 3 * GIB, 4 * GIB, true, NULL), -EINVAL);
}

static void record_read(void *arg, uint64_t offset, void *data, uint32_t len)
{
	*(uint64_t *)arg = offset;
	memset(data, 1, len);
}

static void record_write(void *arg, uint64_t offset, const void *data, uint32_t len)
{
	(void)data;
	*(uint64_t *)arg = offset + len;
}

static void test_bus(void **state)
{
	static const struct bus_ops ops = { record_read, record_write };
	struct bus b = { 0 };
	uint64_t at[2] = { 0, 0 }, data = 0;

	(void)state;
	assert_int_equal(bus_add(&b, 0x2000, 0x1000, &ops, &at[1], NULL), 0);
	assert_int_equal(bus_add(&b, 0x1000, 0x1000, &ops, &at[0], NULL), 0);
	assert_int_equal(bus_add(&b, 0x1fff, 2, &ops, NULL, NULL), -EEXIST);
	assert_int_equal(bus_add(&b, 0, 0x1001, &ops, NULL, NULL), -EEXIST);
	assert_int_equal(bus_add(&b, UINT64_MAX, 2, &ops, NULL, NULL), -EINVAL);
	bus_read(&b, 0x1ffc, &data, 4);
	assert_int_equal(at[0], 0xffc);
	assert_int_equal(data, 0x01010101);
	bus_write(&b, 0x2008, &data, 8);
	assert_int_equal(at[1], 16);
	/* Between, before and behind them nobody answers. */
	bus_read(&b, 0x1ffe, &data, 4);
	assert_int_equal(data, 0xffffffff);
	bus_write(&b, 0x3000, &data, 1);
	bus_write(&b, UINT64_MAX, &data, 8);
	assert_int_equal(at[1], 16);
	for (unsigned i = b.n; i < BUS_RANGES_MAX; i++)
		assert_int_equal(bus_add(&b, 0x10000 + i, 1, &ops, NULL, NULL), 0);
	assert_int_equal(bus_add(&b, 0x20000, 1, &ops, NULL, NULL), -ENOSPC);
}

static void test_lines(void **state)
{
	struct irq_lines lines = { 5, 7 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(irq_take(&lines, NULL), 5);
	assert_int_equal(irq_take(&lines, NULL), 6);
	assert_int_equal(irq_take(&lines, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "too many devices"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_bus),
		cmocka_unit_test(test_lines),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
