/* SPDX-License-Identifier: Apache-2.0 */
/* What KVM counts, out of files as KVM writes them, and as it never would. */
#include <errno.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "vmm/kvm_stats.h"

#define NAME 48

struct number {
	const char *name;
	uint16_t size;
	uint64_t value;
};

/* A source: the header, an identifier, the descriptors, the numbers. */
static int source(const struct number *numbers, uint32_t n, const struct kvm_stats_header *change)
{
	size_t one = sizeof(struct kvm_stats_desc) + NAME;
	struct kvm_stats_header h = {
		.name_size = NAME,
		.num_desc = n,
		.id_offset = sizeof(h),
		.desc_offset = sizeof(h) + NAME,
		.data_offset = (uint32_t)(sizeof(h) + NAME + n * one),
	};
	int fd = memfd_create("stats", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (uint32_t i = 0; i < n; i++) {
		struct kvm_stats_desc d = { .size = numbers[i].size, .offset = i * 8 };
		char name[NAME] = "";

		snprintf(name, sizeof(name), "%s", numbers[i].name);
		assert_int_equal(pwrite(fd, &d, sizeof(d), (off_t)(h.desc_offset + i * one)),
				 sizeof(d));
		assert_int_equal(
			pwrite(fd, name, NAME, (off_t)(h.desc_offset + i * one + sizeof(d))), NAME);
		assert_int_equal(pwrite(fd, &numbers[i].value, 8, (off_t)(h.data_offset + i * 8)),
				 8);
	}
	if (change)
		h = *change;
	assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	return fd;
}

static void sums(void **state)
{
	static const struct number vm[] = { { "remote_tlb_flush", 1, 77 }, { "pages_2m", 1, 12 } };
	static const struct number cpu[] = { { "exits", 1, 100 },
					     { "halt_wait_hist", 32, 5 },
					     { "halt_exits", 1, 7 },
					     { "pf_fixed", 32, 9 } }; /* no number: a list */
	struct kvm_stats *s = kvm_stats_new(3);
	auto_str struct str out = STR_INIT;

	(void)state;
	kvm_stats_add(s, source(vm, 2, NULL));
	kvm_stats_add(s, source(cpu, 4, NULL));
	kvm_stats_add(s, source(cpu, 4, NULL));
	kvm_stats_add(s, source(cpu, 4, NULL)); /* there is no room for it */
	kvm_stats_tell(s, &out);
	assert_string_equal(str_text(&out), " kvm-exits=200 kvm-halts=14 kvm-pages-2m=12");
	kvm_stats_free(s);
}

static void odd_ones(void **state)
{
	static const struct number cpu[] = { { "exits", 1, 100 } };
	static const struct kvm_stats_header odd[] = {
		{ .name_size = 0, .num_desc = 1 },
		{ .name_size = 1U << 31, .num_desc = 1 },
		{ .name_size = NAME, .num_desc = UINT32_MAX },
		{ .name_size = NAME, .num_desc = 3, .desc_offset = UINT32_MAX },
	};
	auto_str struct str out = STR_INIT;

	(void)state;
	kvm_stats_add(NULL, source(cpu, 1, NULL));
	kvm_stats_tell(NULL, &out);
	for (size_t i = 0; i < 1 + ARRAY_SIZE(odd); i++) {
		struct kvm_stats *s = kvm_stats_new(2);

		kvm_stats_add(s, -1);
		kvm_stats_add(s, i == 0 ? memfd_create("empty", MFD_CLOEXEC) :
					  source(cpu, 1, &odd[i - 1]));
		kvm_stats_tell(s, &out);
		kvm_stats_free(s);
	}
	assert_string_equal(str_text(&out), "");
	kvm_stats_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums),
		cmocka_unit_test(odd_ones),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
