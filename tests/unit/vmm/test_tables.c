/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest reads of its machine: ACPI, the table of 1997, CPUID, the few ports. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "vmm/arch/x86_64/acpi.h"
#include "vmm/arch/x86_64/cpuid.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/arch/x86_64/mptable.h"
#include "vmm/arch/x86_64/ports.h"
#include "vmm/arch/x86_64/restart.h"

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len-- > 0)
		s = (uint8_t)(s + *p++);
	return s;
}

static uint64_t number(const uint8_t *p, size_t len)
{
	uint64_t v = 0;

	memcpy(&v, p, len);
	return v;
}

/* The table at guest address @at, which has to be @signature and sum up to 0. */
static const uint8_t *table(const uint8_t *buf, size_t used, uint64_t at, const char *signature,
			    uint32_t *len)
{
	const uint8_t *t = buf + (at - LAYOUT_TABLES);

	assert_true(at >= LAYOUT_TABLES && at - LAYOUT_TABLES + 36 <= used);
	assert_memory_equal(t, signature, 4);
	*len = (uint32_t)number(t + 4, 4);
	assert_true(at - LAYOUT_TABLES + *len <= used);
	assert_int_equal(sum(t, *len), 0);
	return t;
}

static void test_acpi(void **state)
{
	static const struct acpi_device devices[] = { { 0xd0000000, 0x1000, 5 },
						      { 0xd0001000, 0x1000, 6 } };
	const struct acpi_machine m = { .n_cpus = 3, .n_devices = 2, .devices = devices };
	static uint8_t buf[LAYOUT_TABLES_END - LAYOUT_TABLES];
	const uint8_t *xsdt, *fadt, *madt, *dsdt;
	ssize_t used = acpi_write(&m, buf, sizeof(buf), LAYOUT_TABLES);
	uint32_t len;

	(void)state;
	assert_true(used > 0);
	assert_memory_equal(buf, "RSD PTR ", 8);
	assert_int_equal(sum(buf, 20), 0);
	assert_int_equal(sum(buf, 36), 0);
	xsdt = table(buf, (size_t)used, number(buf + 24, 8), "XSDT", &len);
	assert_int_equal(len, 36 + 2 * 8);
	fadt = table(buf, (size_t)used, number(xsdt + 36, 8), "FACP", &len);
	assert_int_equal(len, 276);
	assert_true(number(fadt + 112, 4) & 1 << 20);
	assert_int_equal(number(fadt + 116 + 4, 8), LAYOUT_PORT_RESET);
	assert_int_equal(number(fadt + 244 + 4, 8), LAYOUT_PORT_SLEEP_CONTROL);
	dsdt = table(buf, (size_t)used, number(fadt + 140, 8), "DSDT", &len);
	assert_non_null(memmem(dsdt, len, "_S5_", 4));
	assert_non_null(memmem(dsdt, len, "VR01", 4));
	assert_null(memmem(dsdt, len, "VR02", 4));
	assert_non_null(memmem(dsdt, len, "LNRO0005", 9));
	assert_non_null(memmem(dsdt, len, "QEMU0001", 9));
	assert_non_null(memmem(dsdt, len,
			       "\x86\x09\x00\x01\x00\x10\x00\xd0\x00\x10\x00\x00"
			       "\x89\x06\x00\x03\x01\x06\x00\x00\x00",
			       21));
	madt = table(buf, (size_t)used, number(xsdt + 44, 8), "APIC", &len);
	assert_int_equal(len, 44 + 3 * 8 + 12);
	assert_int_equal(madt[44 + 2 * 8 + 3], 2);
	assert_int_equal(madt[44 + 3 * 8], 1);
}

/* Cut off anywhere it is an error, and nothing is written behind the end. */
static void test_acpi_room(void **state)
{
	const struct acpi_machine m = { .n_cpus = 254 };
	uint8_t buf[4096];
	ssize_t used = acpi_write(&m, buf, sizeof(buf), LAYOUT_TABLES);

	(void)state;
	assert_true(used > 254 * 8);
	for (size_t size = 0; size < (size_t)used; size++) {
		memset(buf, 0x5a, sizeof(buf));
		assert_int_equal(acpi_write(&m, buf, size, LAYOUT_TABLES), -ENOSPC);
		assert_int_equal(buf[size], 0x5a);
	}
}

/* Found at once, with room for all processors, and what a BIOS keeps stays empty. */
static void test_mptable(void **state)
{
	static uint8_t low[LAYOUT_START_INFO];
	static const uint8_t bios[0x100];
	ssize_t end = mptable_write(low, sizeof(low), LAYOUT_CPUS_MAX);
	const uint8_t *t = low + LAYOUT_MPTABLE;

	(void)state;
	assert_true(end > LAYOUT_MPTABLE);
	assert_memory_equal(low, "_MP_", 4);
	assert_int_equal(sum(low, 16), 0);
	assert_int_equal(number(low + 4, 4), LAYOUT_MPTABLE);
	assert_memory_equal(low + 0x400, bios, sizeof(bios));
	assert_memory_equal(t, "PCMP", 4);
	assert_int_equal(number(t + 4, 2), end - LAYOUT_MPTABLE);
	assert_int_equal(sum(t, (size_t)end - LAYOUT_MPTABLE), 0);
	assert_int_equal(number(t + 34, 2), LAYOUT_CPUS_MAX + 1 + 1 + LAYOUT_LINES + 2);
	assert_int_equal(mptable_write(low, (size_t)end - 1, LAYOUT_CPUS_MAX), -ENOSPC);
	assert_int_equal(mptable_write(low, LAYOUT_MPTABLE - 1, 1), -ENOSPC);
}

static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid2 *c, uint32_t function,
					   uint32_t index)
{
	for (uint32_t i = 0; i < c->nent; i++)
		if (c->entries[i].function == function && c->entries[i].index == index)
			return &c->entries[i];
	fail_msg("no leaf %#x", function);
	return NULL;
}

static void test_cpuid(void **state)
{
	static const struct kvm_cpuid_entry2 host[] = {
		{ .function = 0, .eax = 0x1f },
		{ .function = 1, .ebx = 0x12345678, .edx = 1U << 28 },
		{ .function = 4, .index = 3, .eax = 0xffffc163 },
		{ .function = 0xa, .eax = 0x07300404 },
		{ .function = 0xb, .index = 0, .edx = 99 },
		{ .function = 0x80000008, .ecx = 0xf0ff },
		{ .function = 0x80000022, .eax = 1 },
	};
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + CPUID_ENTRIES_MAX * sizeof(host[0]));

	(void)state;
	assert_non_null(c);
	c->nent = ARRAY_SIZE(host);
	memcpy(c->entries, host, sizeof(host));
	cpuid_adjust(c, 4, 6);
	assert_int_equal(leaf(c, 1, 0)->ebx, 4U << 24 | 8 << 16 | 0x5678);
	assert_true(leaf(c, 1, 0)->ecx & 1U << 31);
	assert_true(leaf(c, 1, 0)->ecx & 1U << 24);
	assert_true(leaf(c, 1, 0)->edx & 1U << 28);
	assert_int_equal(leaf(c, 4, 3)->eax >> 14 & 0xfff, 5);
	assert_int_equal(leaf(c, 4, 3)->eax >> 26, 7);
	assert_true(leaf(c, 6, 0)->eax & 1U << 2);
	assert_int_equal(leaf(c, 0xa, 0)->eax, 0);
	assert_int_equal(leaf(c, 0xb, 1)->eax, 3);
	assert_int_equal(leaf(c, 0xb, 1)->ebx, 6);
	assert_int_equal(leaf(c, 0xb, 0)->edx, 4);
	assert_int_equal(leaf(c, 0x1f, 1)->edx, 4);
	assert_int_equal(leaf(c, 0x80000008, 0)->ecx, 3 << 12 | 5);
	for (uint32_t i = 0; i < c->nent; i++)
		assert_int_not_equal(c->entries[i].function, 0x80000022);
	/* One processor has no siblings. */
	c->nent = ARRAY_SIZE(host);
	memcpy(c->entries, host, sizeof(host));
	cpuid_adjust(c, 0, 1);
	assert_false(leaf(c, 1, 0)->edx & 1U << 28);
	free(c);
}

static void test_ports(void **state)
{
	static const struct {
		uint16_t port;
		uint8_t value;
		enum ending_word word;
	} ends[] = {
		{ 0x600, 0x34, ENDING_POWEROFF }, { 0x600, 0x14, ENDING_NONE },
		{ 0x602, 1, ENDING_RESET },	  { 0x602, 0, ENDING_NONE },
		{ 0x64, 0xfe, ENDING_RESET },	  { 0x64, 0xff, ENDING_NONE },
		{ 0x505, 1, ENDING_PANIC },	  { 0x505, 2, ENDING_NONE },
		{ 0x3f8, 'x', ENDING_NONE },	  { 0xffff, 0xff, ENDING_NONE },
	};
	struct ports p = { .debug = false, .lock = PTHREAD_MUTEX_INITIALIZER };
	uint32_t data = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		assert_int_equal(ports_write(&p, ends[i].port, &ends[i].value, 1), ends[i].word);
	assert_int_equal(p.line_len, 0);
	ports_read(&p, 0x505, &data, 1);
	assert_int_equal(data, 1);
	/* Ready to take the reset, and no keyboard. */
	ports_read(&p, 0x64, &data, 1);
	assert_int_equal(data & 0x03, 0x01);
	ports_read(&p, 0x3fd, &data, 4);
	assert_int_equal(data, 0xffffffff);
	p.debug = true;
	ports_read(&p, 0x3fd, &data, 1);
	assert_int_equal(data & 0xff, 0x60);
}

static void *write_much(void *arg)
{
	for (int i = 0; i < 200000; i++)
		ports_write(arg, 0x3f8, "y", 1);
	return NULL;
}

/* Processors that write at the same time do not write past the line. */
static void test_ports_shared(void **state)
{
	struct {
		struct ports p;
		uint8_t behind[64];
	} s = { .p = { .debug = true, .lock = PTHREAD_MUTEX_INITIALIZER } };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), before = dup(STDERR_FILENO);
	pthread_t thread[4];

	(void)state;
	dup2(null, STDERR_FILENO);
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, write_much, &s.p), 0);
	for (size_t i = 0; i < ARRAY_SIZE(thread); i++)
		pthread_join(thread[i], NULL);
	dup2(before, STDERR_FILENO);
	close(before);
	close(null);
	assert_true(s.p.line_len < PORTS_LINE_MAX);
	assert_int_equal(s.p.line_len, 4 * 200000 % PORTS_LINE_MAX);
	for (size_t i = 0; i < sizeof(s.behind); i++)
		assert_int_equal(s.behind[i], 0);
}

static void test_restart(void **state)
{
	static const struct {
		uint16_t flag;
		bool asked;
	} words[] = { { 0, true }, { 0x1234, true }, { 0x1235, false }, { 0xffff, false } };
	static const uint8_t firmware[] = { 0xfa, 0xba, 0x02, 0x06, 0xb0, 0x01, 0xee, 0xf4 };
	struct memory m;

	(void)state;
	assert_int_equal(memory_init(&m, 4 << 20, 3ULL << 30, 4ULL << 30, false, NULL), 0);
	assert_int_equal(restart_prepare(&m, NULL), 0);
	assert_memory_equal(memory_at(&m, 0xffff0, 16), firmware, sizeof(firmware));
	assert_false(restart_was_asked(&m));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		memcpy(memory_at(&m, 0x472, 2), &words[i].flag, 2);
		assert_int_equal(restart_was_asked(&m), words[i].asked);
	}
	memory_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acpi),	cmocka_unit_test(test_acpi_room),
		cmocka_unit_test(test_mptable), cmocka_unit_test(test_cpuid),
		cmocka_unit_test(test_ports),	cmocka_unit_test(test_ports_shared),
		cmocka_unit_test(test_restart),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
