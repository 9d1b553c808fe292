/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/hypervisor/size.h"

static void quotas(void **state)
{
	static const struct {
		int64_t quota;
		uint64_t period;
		double want;
	} cases[] = {
		{ 0, 100000, 0 },      { -1, 100000, 0 },	{ 100000, 0, 0 },
		{ 100000, 100000, 1 }, { 150000, 100000, 1.5 }, { 1, 3, 0.333 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_float_equal(size_cpu_quota(cases[i].quota, cases[i].period), cases[i].want,
				   0.0001);
}

#define GIB (UINT64_C(1) << 30)

/* On a host with 8 processors and 16000 MiB. */
static const struct {
	const char *name;
	double vcpus;
	int64_t max_vcpus, memory, max_memory;
	bool fixed, plug;
	double overhead_vcpus;
	int64_t overhead_memory;
	struct size_load load;
	struct vm_size boot;
	unsigned vcpus_wanted;
	uint64_t memory_wanted;
} cases[] = {
	{ "the default grows to the host",
	  1,
	  0,
	  2048,
	  0,
	  false,
	  true,
	  0,
	  0,
	  { 0, 0 },
	  { 1, 8, 2048, 16000 },
	  1,
	  2048 },
	{ "limits come on top of it",
	  1,
	  0,
	  2048,
	  0,
	  false,
	  true,
	  0,
	  0,
	  { 2.5, GIB },
	  { 1, 8, 2048, 16000 },
	  4,
	  3072 },
	{ "fractions are added before they are rounded",
	  0.5,
	  0,
	  256,
	  0,
	  false,
	  true,
	  0,
	  0,
	  { 0.5, 0 },
	  { 1, 8, 256, 16000 },
	  1,
	  256 },
	{ "processors end at the most there can be",
	  1,
	  4,
	  256,
	  0,
	  false,
	  true,
	  0,
	  0,
	  { 7, 0 },
	  { 1, 4, 256, 16000 },
	  4,
	  256 },
	{ "memory above the most is for the driver to refuse",
	  1,
	  0,
	  256,
	  1024,
	  false,
	  true,
	  0,
	  0,
	  { 0, GIB },
	  { 1, 8, 256, 1024 },
	  1,
	  1280 },
	{ "what is fixed has it all at boot",
	  1,
	  0,
	  256,
	  0,
	  true,
	  true,
	  0,
	  0,
	  { 1.5, GIB },
	  { 3, 3, 1280, 1280 },
	  3,
	  1280 },
	{ "so has what cannot grow",
	  1,
	  0,
	  256,
	  0,
	  false,
	  false,
	  0,
	  0,
	  { 1.5, GIB },
	  { 3, 3, 1280, 1280 },
	  3,
	  1280 },
	{ "with a limit the overhead stands for the default",
	  1,
	  0,
	  2048,
	  0,
	  true,
	  true,
	  0.2,
	  32,
	  { 1.5, GIB },
	  { 2, 2, 1056, 1056 },
	  2,
	  1056 },
	{ "without one it does not",
	  1,
	  0,
	  2048,
	  0,
	  true,
	  true,
	  0.2,
	  32,
	  { 0, 0 },
	  { 1, 1, 2048, 2048 },
	  1,
	  2048 },
	{ "0 is 1", 0, 0, 256, 0, false, false, 0, 0, { 0, 0 }, { 1, 1, 256, 256 }, 1, 256 },
	{ "-1 is all", -1, 0, 256, 0, false, true, 0, 0, { 0, 0 }, { 8, 8, 256, 16000 }, 8, 256 },
	{ "more than all is all",
	  64,
	  99,
	  256,
	  0,
	  false,
	  true,
	  0,
	  0,
	  { 0, 0 },
	  { 8, 8, 256, 16000 },
	  8,
	  256 },
	{ "more memory than the host has cannot grow",
	  1,
	  0,
	  20000,
	  0,
	  false,
	  true,
	  0,
	  0,
	  { 0, GIB },
	  { 1, 8, 20000, 20000 },
	  1,
	  20000 },
};

static void sizes(void **state)
{
	static const struct size_host host = { .cpus = 8, .memory = 16000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config c = { .path = NULL };
		struct vm_size got;
		unsigned vcpus;
		uint64_t memory;

		c.hypervisor.default_vcpus = cases[i].vcpus;
		c.hypervisor.default_maxvcpus = cases[i].max_vcpus;
		c.hypervisor.default_memory = cases[i].memory;
		c.hypervisor.default_maxmemory = cases[i].max_memory;
		c.hypervisor.overhead_vcpus = cases[i].overhead_vcpus;
		c.hypervisor.overhead_memory = cases[i].overhead_memory;
		c.runtime.static_sandbox_resource_mgmt = cases[i].fixed;
		got = size_boot(&c, &host, &cases[i].load, cases[i].plug, cases[i].plug);
		size_wanted(&c, &got, &cases[i].load, &vcpus, &memory);
		if (got.vcpus != cases[i].boot.vcpus || got.max_vcpus != cases[i].boot.max_vcpus ||
		    got.memory != cases[i].boot.memory ||
		    got.max_memory != cases[i].boot.max_memory || vcpus != cases[i].vcpus_wanted ||
		    memory != cases[i].memory_wanted)
			fail_msg("%s: %u to %u, %llu to %llu MiB; wanted %u, %llu MiB",
				 cases[i].name, got.vcpus, got.max_vcpus,
				 (unsigned long long)got.memory, (unsigned long long)got.max_memory,
				 vcpus, (unsigned long long)memory);
	}
}

static void the_host_has_something(void **state)
{
	struct size_host host = size_host();

	(void)state;
	assert_true(host.cpus >= 1);
	assert_true(host.memory >= 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotas),
		cmocka_unit_test(sizes),
		cmocka_unit_test(the_host_has_something),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("size", tests, NULL, NULL);
}
