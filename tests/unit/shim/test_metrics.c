/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's numbers in containerd's words, of either version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/shim/metrics.h"
#include "proto/containerd_metrics_v1.pb-c.h"
#include "proto/containerd_metrics_v2.pb-c.h"

/* Every number is another. */
static struct guest {
	Grpc__StatsContainerResponse stats;
	Grpc__CgroupStats cgroup;
	Grpc__CpuStats cpu;
	Grpc__CpuUsage usage;
	Grpc__ThrottlingData throttling;
	Grpc__MemoryStats memory;
	Grpc__MemoryData data, swap;
	Grpc__PidsStats pids;
	Grpc__BlkioStats blkio;
	Grpc__BlkioStatsEntry io[3], *io_list[2], *ops_list[1];
	Grpc__CgroupStats__HugetlbStatsEntry huge, *huge_list[1];
	Grpc__HugetlbStats huge_data;
	Grpc__MemoryStats__StatsEntry line[3], *lines[3];
	Grpc__NetworkStats net, *net_list[1];
	uint64_t per_cpu[2];
} g;

static void set_line(size_t i, const char *key, uint64_t value)
{
	grpc__memory_stats__stats_entry__init(&g.line[i]);
	g.line[i].key = (char *)(uintptr_t)key;
	g.line[i].value = value;
	g.lines[i] = &g.line[i];
}

static void set_io(size_t i, const char *op, uint64_t value)
{
	grpc__blkio_stats_entry__init(&g.io[i]);
	g.io[i].op = (char *)(uintptr_t)op;
	g.io[i].major = 254;
	g.io[i].minor = 1;
	g.io[i].value = value;
}

static void fill(const char *anon, const char *file, const char *inactive)
{
	grpc__stats_container_response__init(&g.stats);
	grpc__cgroup_stats__init(&g.cgroup);
	grpc__cpu_stats__init(&g.cpu);
	grpc__cpu_usage__init(&g.usage);
	grpc__throttling_data__init(&g.throttling);
	grpc__memory_stats__init(&g.memory);
	grpc__memory_data__init(&g.data);
	grpc__memory_data__init(&g.swap);
	grpc__pids_stats__init(&g.pids);
	grpc__blkio_stats__init(&g.blkio);
	grpc__cgroup_stats__hugetlb_stats_entry__init(&g.huge);
	grpc__hugetlb_stats__init(&g.huge_data);
	grpc__network_stats__init(&g.net);
	g.per_cpu[0] = 1001;
	g.per_cpu[1] = 1002;
	g.usage.total_usage = 5000000;
	g.usage.usage_in_usermode = 3000000;
	g.usage.usage_in_kernelmode = 2000000;
	g.usage.percpu_usage = g.per_cpu;
	g.usage.n_percpu_usage = 2;
	g.throttling.periods = 11;
	g.throttling.throttled_periods = 12;
	g.throttling.throttled_time = 13000;
	g.cpu.cpu_usage = &g.usage;
	g.cpu.throttling_data = &g.throttling;
	g.data.usage = 21;
	g.data.max_usage = 22;
	g.data.failcnt = 23;
	g.data.limit = 24;
	g.swap.usage = 31;
	g.swap.limit = 34;
	set_line(0, anon, 41);
	set_line(1, file, 42);
	set_line(2, inactive, 43);
	g.memory.usage = &g.data;
	g.memory.swap_usage = &g.swap;
	g.memory.stats = g.lines;
	g.memory.n_stats = 3;
	g.pids.current = 51;
	g.pids.limit = 52;
	set_io(0, "Read", 61);
	set_io(1, "write", 62);
	set_io(2, "Write", 63);
	for (size_t i = 0; i < 2; i++)
		g.io_list[i] = &g.io[i];
	g.ops_list[0] = &g.io[2];
	g.blkio.io_service_bytes_recursive = g.io_list;
	g.blkio.n_io_service_bytes_recursive = 2;
	g.blkio.io_serviced_recursive = g.ops_list;
	g.blkio.n_io_serviced_recursive = 1;
	g.huge.key = (char *)"2MB";
	g.huge_data.usage = 71;
	g.huge_data.max_usage = 72;
	g.huge_data.failcnt = 73;
	g.huge.value = &g.huge_data;
	g.huge_list[0] = &g.huge;
	g.net.name = (char *)"eth0";
	g.net.rx_bytes = 81;
	g.net.tx_dropped = 82;
	g.net_list[0] = &g.net;
	g.cgroup.cpu_stats = &g.cpu;
	g.cgroup.memory_stats = &g.memory;
	g.cgroup.pids_stats = &g.pids;
	g.cgroup.blkio_stats = &g.blkio;
	g.cgroup.hugetlb_stats = g.huge_list;
	g.cgroup.n_hugetlb_stats = 1;
	g.stats.cgroup_stats = &g.cgroup;
	g.stats.network_stats = g.net_list;
	g.stats.n_network_stats = 1;
}

static Io__Containerd__Cgroups__V1__Metrics *get_v1(void)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Io__Containerd__Cgroups__V1__Metrics *m;

	metrics_pack(&g.stats, false, &any);
	assert_string_equal(any.type_url, "io.containerd.cgroups.v1.Metrics");
	m = io__containerd__cgroups__v1__metrics__unpack(NULL, any.value.len, any.value.data);
	assert_non_null(m);
	free(any.value.data);
	return m;
}

static Io__Containerd__Cgroups__V2__Metrics *get_v2(void)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Io__Containerd__Cgroups__V2__Metrics *m;

	metrics_pack(&g.stats, true, &any);
	assert_string_equal(any.type_url, "io.containerd.cgroups.v2.Metrics");
	m = io__containerd__cgroups__v2__metrics__unpack(NULL, any.value.len, any.value.data);
	assert_non_null(m);
	free(any.value.data);
	return m;
}

static void version_1_of_a_guest_with_version_2(void **state)
{
	Io__Containerd__Cgroups__V1__Metrics *m;

	(void)state;
	fill("anon", "file", "inactive_file");
	m = get_v1();
	assert_int_equal(m->cpu->usage->total, 5000000);
	assert_int_equal(m->cpu->usage->user, 3000000);
	assert_int_equal(m->cpu->usage->kernel, 2000000);
	assert_int_equal(m->cpu->usage->n_per_cpu, 2);
	assert_int_equal(m->cpu->usage->per_cpu[1], 1002);
	assert_int_equal(m->cpu->throttling->periods, 11);
	assert_int_equal(m->cpu->throttling->throttled_periods, 12);
	assert_int_equal(m->cpu->throttling->throttled_time, 13000);
	assert_int_equal(m->memory->usage->usage, 21);
	assert_int_equal(m->memory->usage->max, 22);
	assert_int_equal(m->memory->usage->failcnt, 23);
	assert_int_equal(m->memory->usage->limit, 24);
	assert_int_equal(m->memory->hierarchical_memory_limit, 24);
	assert_int_equal(m->memory->swap->usage, 31);
	assert_int_equal(m->memory->rss, 41);
	assert_int_equal(m->memory->total_rss, 41);
	assert_int_equal(m->memory->cache, 42);
	assert_int_equal(m->memory->inactive_file, 43);
	/* The kubelet's working set is usage without this. */
	assert_int_equal(m->memory->total_inactive_file, 43);
	assert_int_equal(m->pids->current, 51);
	assert_int_equal(m->pids->limit, 52);
	assert_int_equal(m->blkio->n_io_service_bytes_recursive, 2);
	assert_string_equal(m->blkio->io_service_bytes_recursive[0]->op, "Read");
	assert_int_equal(m->blkio->io_service_bytes_recursive[0]->major, 254);
	assert_int_equal(m->blkio->io_serviced_recursive[0]->value, 63);
	assert_string_equal(m->hugetlb[0]->pagesize, "2MB");
	assert_int_equal(m->hugetlb[0]->usage, 71);
	assert_int_equal(m->hugetlb[0]->failcnt, 73);
	assert_string_equal(m->network[0]->name, "eth0");
	assert_int_equal(m->network[0]->rx_bytes, 81);
	assert_int_equal(m->network[0]->tx_dropped, 82);
	io__containerd__cgroups__v1__metrics__free_unpacked(m, NULL);
}

static void version_1_keeps_totals_apart(void **state)
{
	Io__Containerd__Cgroups__V1__Metrics *m;

	(void)state;
	fill("rss", "total_rss", "total_inactive_file");
	m = get_v1();
	assert_int_equal(m->memory->rss, 41);
	assert_int_equal(m->memory->total_rss, 42);
	assert_int_equal(m->memory->inactive_file, 0);
	assert_int_equal(m->memory->total_inactive_file, 43);
	io__containerd__cgroups__v1__metrics__free_unpacked(m, NULL);
}

static void version_2(void **state)
{
	Io__Containerd__Cgroups__V2__Metrics *m;

	(void)state;
	fill("anon", "file", "inactive_file");
	m = get_v2();
	assert_int_equal(m->cpu->usage_usec, 5000);
	assert_int_equal(m->cpu->user_usec, 3000);
	assert_int_equal(m->cpu->system_usec, 2000);
	assert_int_equal(m->cpu->nr_throttled, 12);
	assert_int_equal(m->cpu->throttled_usec, 13);
	assert_int_equal(m->memory->anon, 41);
	assert_int_equal(m->memory->file, 42);
	assert_int_equal(m->memory->inactive_file, 43);
	assert_int_equal(m->memory->usage, 21);
	assert_int_equal(m->memory->usage_limit, 24);
	assert_int_equal(m->memory->max_usage, 22);
	assert_int_equal(m->memory->swap_limit, 34);
	assert_int_equal(m->pids->limit, 52);
	assert_int_equal(m->io->n_usage, 1);
	assert_int_equal(m->io->usage[0]->major, 254);
	assert_int_equal(m->io->usage[0]->rbytes, 61);
	assert_int_equal(m->io->usage[0]->wbytes, 62);
	assert_int_equal(m->io->usage[0]->wios, 63);
	assert_int_equal(m->hugetlb[0]->current, 71);
	assert_int_equal(m->hugetlb[0]->max, 72);
	io__containerd__cgroups__v2__metrics__free_unpacked(m, NULL);
	/* A guest with version 1. */
	fill("rss", "cache", "inactive_file");
	m = get_v2();
	assert_int_equal(m->memory->anon, 41);
	assert_int_equal(m->memory->file, 42);
	io__containerd__cgroups__v2__metrics__free_unpacked(m, NULL);
}

static void an_agent_that_tells_nothing(void **state)
{
	Io__Containerd__Cgroups__V1__Metrics *m;
	Io__Containerd__Cgroups__V2__Metrics *n;

	(void)state;
	grpc__stats_container_response__init(&g.stats);
	m = get_v1();
	assert_int_equal(m->memory->usage->usage, 0);
	assert_int_equal(m->n_hugetlb, 0);
	io__containerd__cgroups__v1__metrics__free_unpacked(m, NULL);
	n = get_v2();
	assert_int_equal(n->memory->usage, 0);
	io__containerd__cgroups__v2__metrics__free_unpacked(n, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_of_a_guest_with_version_2),
		cmocka_unit_test(version_1_keeps_totals_apart),
		cmocka_unit_test(version_2),
		cmocka_unit_test(an_agent_that_tells_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
