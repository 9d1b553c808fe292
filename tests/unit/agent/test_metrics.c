/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/metrics.h"

static void test_meminfo_items(void **state)
{
	static const char *const names[][2] = {
		{ "MemTotal", "mem_total" },
		{ "Buffers", "buffers" },
		{ "Active(anon)", "active_anon" },
		{ "SReclaimable", "s_reclaimable" },
		{ "KReclaimable", "k_reclaimable" },
		{ "NFS_Unstable", "nfs_unstable" },
		{ "Committed_AS", "committed_as" },
		{ "VmallocTotal", "vmalloc_total" },
		{ "Percpu", "per_cpu" },
		{ "AnonHugePages", "anon_hugepages" },
		{ "ShmemPmdMapped", "shmem_pmd_mapped" },
		{ "HugePages_Total", "hugepages_total" },
		{ "Hugepagesize", "hugepagesize" },
		{ "DirectMap4k", "direct_map_4k" },
		{ "DirectMap2M", "direct_map_2M" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		auto_str struct str item = STR_INIT;

		metrics_meminfo_item(names[i][0], &item);
		assert_string_equal(str_text(&item), names[i][1]);
	}
}

/* Each sample is "name{labels} number" below a TYPE line of its name. */
static void test_format(void **state)
{
	auto_str struct str text = STR_INIT;
	char *save = NULL, name[128] = "";
	size_t samples = 0;

	(void)state;
	metrics_write(&text);
	assert_non_null(strstr(text.data, "\nkata_guest_meminfo{item=\"mem_total\"} "));
	assert_non_null(strstr(text.data, "\nkata_guest_cpu_time{cpu=\"total\",item=\"user\"} "));
	assert_non_null(strstr(text.data, "\nkata_guest_load{item=\"load15\"} "));
	assert_non_null(strstr(text.data, "\nkata_agent_threads 1\n"));
	assert_non_null(strstr(text.data, "\nkata_agent_proc_status{item=\"vmrss\"} "));
	assert_null(strstr(text.data, "kata_agent_total_rss 0\n"));
	assert_non_null(strstr(text.data, "\nprocess_open_fds "));
	for (char *l = strtok_r(text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *value = strrchr(l, ' '), *end;

		if (sscanf(l, "# TYPE %127s", name) == 1 || l[0] == '#')
			continue;
		assert_true(!strncmp(l, name, strlen(name)));
		assert_true(l[strlen(name)] == '{' || l[strlen(name)] == ' ');
		assert_non_null(value);
		(void)strtod(value + 1, &end);
		assert_true(end > value + 1 && *end == '\0');
		samples++;
	}
	assert_true(samples > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meminfo_items),
		cmocka_unit_test(test_format),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
