/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "proto/containerd_metrics_v1.pb-c.h"
#include "proto/containerd_metrics_v2.pb-c.h"

typedef Io__Containerd__Cgroups__V1__Metrics V1;
typedef Io__Containerd__Cgroups__V2__Metrics V2;
typedef Io__Containerd__Cgroups__V1__BlkIOEntry V1Entry;
typedef Io__Containerd__Cgroups__V2__IOEntry V2Entry;

static void pack(const ProtobufCMessage *msg, const char *type_url, Google__Protobuf__Any *any)
{
	any->type_url = (char *)(uintptr_t)type_url;
	any->value.data = xmalloc(protobuf_c_message_get_packed_size(msg) + 1);
	any->value.len = protobuf_c_message_pack(msg, any->value.data);
}

/* ---- memory.stat ------------------------------------------------------------ */

static bool find_stat(const Grpc__MemoryStats *m, const char *key, uint64_t *value)
{
	for (size_t i = 0; m && i < m->n_stats; i++) {
		if (!strcmp(m->stats[i]->key, key)) {
			*value = m->stats[i]->value;
			return true;
		}
	}
	return false;
}

/* Version 1's name of a field → the names of the kernel's lines in either version. */
static const struct {
	const char *field, *v1, *v2;
} lines[] = {
	{ "cache", "cache", "file" },
	{ "rss", "rss", "anon" },
	{ "rss_huge", "rss_huge", "anon_thp" },
	{ "mapped_file", "mapped_file", "file_mapped" },
	{ "dirty", "dirty", "file_dirty" },
	{ "writeback", "writeback", "file_writeback" },
	{ "pg_pg_in", "pgpgin", "pgpgin" },
	{ "pg_pg_out", "pgpgout", "pgpgout" },
	{ "pg_fault", "pgfault", "pgfault" },
	{ "pg_maj_fault", "pgmajfault", "pgmajfault" },
	{ "inactive_anon", "inactive_anon", "inactive_anon" },
	{ "active_anon", "active_anon", "active_anon" },
	{ "inactive_file", "inactive_file", "inactive_file" },
	{ "active_file", "active_file", "active_file" },
	{ "unevictable", "unevictable", "unevictable" },
};

static void set_field(ProtobufCMessage *msg, const char *field, uint64_t value)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, field);

	if (f)
		*(uint64_t *)(void *)((char *)msg + f->offset) = value;
}

/* A group of version 2 counts what is below it, too: its lines are the totals as well. */
static void fill_v1(const Grpc__MemoryStats *m, ProtobufCMessage *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		auto_free char *total_line = xasprintf("total_%s", lines[i].v1);
		auto_free char *total_field = xasprintf("total_%s", lines[i].field);
		uint64_t own = 0, total;

		if (!find_stat(m, lines[i].v1, &own))
			find_stat(m, lines[i].v2, &own);
		total = own;
		find_stat(m, total_line, &total);
		set_field(out, lines[i].field, own);
		set_field(out, total_field, total);
	}
}

/* A field that the guest has no line for (its groups are of version 1) takes version 1's. */
static void fill_v2(const Grpc__MemoryStats *m, ProtobufCMessage *out)
{
	for (size_t i = 0; m && i < m->n_stats; i++)
		set_field(out, m->stats[i]->key, m->stats[i]->value);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		uint64_t value;

		if (!find_stat(m, lines[i].v2, &value) && find_stat(m, lines[i].v1, &value))
			set_field(out, lines[i].v2, value);
	}
}

/* ---- version 1 -------------------------------------------------------------- */

static void set_entry(const Grpc__MemoryData *from, Io__Containerd__Cgroups__V1__MemoryEntry *to)
{
	if (!from)
		return;
	to->limit = from->limit;
	to->usage = from->usage;
	to->max = from->max_usage;
	to->failcnt = from->failcnt;
}

static void set_memory_v1(const Grpc__MemoryStats *from,
			  Io__Containerd__Cgroups__V1__MemoryStat *to)
{
	if (!from)
		return;
	to->cache = from->cache;
	if (from->n_stats > 0)
		fill_v1(from, &to->base);
	set_entry(from->usage, to->usage);
	set_entry(from->swap_usage, to->swap);
	set_entry(from->kernel_usage, to->kernel);
	to->hierarchical_memory_limit = to->usage->limit;
	to->hierarchical_swap_limit = to->swap->limit;
}

static void set_cpu_v1(const Grpc__CpuStats *from, Io__Containerd__Cgroups__V1__CPUStat *to)
{
	if (from && from->cpu_usage) {
		to->usage->total = from->cpu_usage->total_usage;
		to->usage->kernel = from->cpu_usage->usage_in_kernelmode;
		to->usage->user = from->cpu_usage->usage_in_usermode;
		to->usage->per_cpu = from->cpu_usage->percpu_usage;
		to->usage->n_per_cpu = from->cpu_usage->n_percpu_usage;
	}
	if (from && from->throttling_data) {
		to->throttling->periods = from->throttling_data->periods;
		to->throttling->throttled_periods = from->throttling_data->throttled_periods;
		to->throttling->throttled_time = from->throttling_data->throttled_time;
	}
}

static void free_entries(V1Entry **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

static V1Entry **entries(Grpc__BlkioStatsEntry *const *from, size_t n)
{
	V1Entry **v = xcalloc(n + 1, sizeof(*v));

	for (size_t i = 0; i < n; i++) {
		v[i] = xcalloc(1, sizeof(**v));
		io__containerd__cgroups__v1__blk_ioentry__init(v[i]);
		v[i]->op = from[i]->op;
		v[i]->major = from[i]->major;
		v[i]->minor = from[i]->minor;
		v[i]->value = from[i]->value;
	}
	return v;
}

#define EACH_BLKIO(do)                        \
	do                                    \
		(io_service_bytes_recursive); \
	do                                    \
		(io_serviced_recursive);      \
	do                                    \
		(io_queued_recursive);        \
	do                                    \
		(io_service_time_recursive);  \
	do                                    \
		(io_wait_time_recursive);     \
	do                                    \
		(io_merged_recursive);        \
	do                                    \
		(io_time_recursive);          \
	do                                    \
	(sectors_recursive)

static void set_blkio_v1(const Grpc__BlkioStats *from, Io__Containerd__Cgroups__V1__BlkIOStat *to)
{
	if (!from)
		return;
#define TAKE(list)                                      \
	to->list = entries(from->list, from->n_##list); \
	to->n_##list = from->n_##list
	EACH_BLKIO(TAKE);
#undef TAKE
}

static void free_blkio_v1(Io__Containerd__Cgroups__V1__BlkIOStat *io)
{
#define DROP(list) free_entries(io->list, io->n_##list)
	EACH_BLKIO(DROP);
#undef DROP
}

static void set_hugetlb_v1(const Grpc__CgroupStats *from, V1 *to)
{
	to->hugetlb = xcalloc(from->n_hugetlb_stats + 1, sizeof(*to->hugetlb));
	for (; to->n_hugetlb < from->n_hugetlb_stats; to->n_hugetlb++) {
		const Grpc__CgroupStats__HugetlbStatsEntry *e = from->hugetlb_stats[to->n_hugetlb];
		Io__Containerd__Cgroups__V1__HugetlbStat *h = xcalloc(1, sizeof(*h));

		io__containerd__cgroups__v1__hugetlb_stat__init(h);
		h->pagesize = e->key;
		if (e->value) {
			h->usage = e->value->usage;
			h->max = e->value->max_usage;
			h->failcnt = e->value->failcnt;
		}
		to->hugetlb[to->n_hugetlb] = h;
	}
}

static void set_network_v1(const Grpc__StatsContainerResponse *from, V1 *to)
{
	to->network = xcalloc(from->n_network_stats + 1, sizeof(*to->network));
	for (; to->n_network < from->n_network_stats; to->n_network++) {
		const Grpc__NetworkStats *n = from->network_stats[to->n_network];
		Io__Containerd__Cgroups__V1__NetworkStat *s = xcalloc(1, sizeof(*s));

		io__containerd__cgroups__v1__network_stat__init(s);
		s->name = n->name;
		s->rx_bytes = n->rx_bytes;
		s->rx_packets = n->rx_packets;
		s->rx_errors = n->rx_errors;
		s->rx_dropped = n->rx_dropped;
		s->tx_bytes = n->tx_bytes;
		s->tx_packets = n->tx_packets;
		s->tx_errors = n->tx_errors;
		s->tx_dropped = n->tx_dropped;
		to->network[to->n_network] = s;
	}
}

static void pack_v1(const Grpc__StatsContainerResponse *stats, Google__Protobuf__Any *any)
{
	V1 m = IO__CONTAINERD__CGROUPS__V1__METRICS__INIT;
	Io__Containerd__Cgroups__V1__PidsStat pids = IO__CONTAINERD__CGROUPS__V1__PIDS_STAT__INIT;
	Io__Containerd__Cgroups__V1__CPUStat cpu = IO__CONTAINERD__CGROUPS__V1__CPUSTAT__INIT;
	Io__Containerd__Cgroups__V1__CPUUsage usage = IO__CONTAINERD__CGROUPS__V1__CPUUSAGE__INIT;
	Io__Containerd__Cgroups__V1__Throttle throttle =
		IO__CONTAINERD__CGROUPS__V1__THROTTLE__INIT;
	Io__Containerd__Cgroups__V1__MemoryStat memory =
		IO__CONTAINERD__CGROUPS__V1__MEMORY_STAT__INIT;
	Io__Containerd__Cgroups__V1__MemoryEntry entry[3] = {
		IO__CONTAINERD__CGROUPS__V1__MEMORY_ENTRY__INIT,
		IO__CONTAINERD__CGROUPS__V1__MEMORY_ENTRY__INIT,
		IO__CONTAINERD__CGROUPS__V1__MEMORY_ENTRY__INIT,
	};
	Io__Containerd__Cgroups__V1__BlkIOStat blkio =
		IO__CONTAINERD__CGROUPS__V1__BLK_IOSTAT__INIT;
	const Grpc__CgroupStats *cg = stats->cgroup_stats;

	cpu.usage = &usage;
	cpu.throttling = &throttle;
	memory.usage = &entry[0];
	memory.swap = &entry[1];
	memory.kernel = &entry[2];
	m.pids = &pids;
	m.cpu = &cpu;
	m.memory = &memory;
	m.blkio = &blkio;
	if (cg) {
		if (cg->pids_stats) {
			pids.current = cg->pids_stats->current;
			pids.limit = cg->pids_stats->limit;
		}
		set_cpu_v1(cg->cpu_stats, &cpu);
		set_memory_v1(cg->memory_stats, &memory);
		set_blkio_v1(cg->blkio_stats, &blkio);
		set_hugetlb_v1(cg, &m);
	}
	set_network_v1(stats, &m);
	pack(&m.base, "io.containerd.cgroups.v1.Metrics", any);
	free_blkio_v1(&blkio);
	for (size_t i = 0; i < m.n_hugetlb; i++)
		free(m.hugetlb[i]);
	free(m.hugetlb);
	for (size_t i = 0; i < m.n_network; i++)
		free(m.network[i]);
	free(m.network);
}

/* ---- version 2 -------------------------------------------------------------- */

static V2Entry *device(V2 *m, const Grpc__BlkioStatsEntry *e)
{
	V2Entry *d;

	for (size_t i = 0; i < m->io->n_usage; i++)
		if (m->io->usage[i]->major == e->major && m->io->usage[i]->minor == e->minor)
			return m->io->usage[i];
	d = xcalloc(1, sizeof(*d));
	io__containerd__cgroups__v2__ioentry__init(d);
	d->major = e->major;
	d->minor = e->minor;
	m->io->usage = xrealloc(m->io->usage, (m->io->n_usage + 1) * sizeof(*m->io->usage));
	m->io->usage[m->io->n_usage++] = d;
	return d;
}

/* Of bytes the agent says "read" and "write", of requests the same, or "rios" and "wios". */
static void set_io_v2(const Grpc__BlkioStats *from, V2 *m)
{
	if (!from)
		return;
	for (size_t i = 0; i < from->n_io_service_bytes_recursive; i++) {
		const Grpc__BlkioStatsEntry *e = from->io_service_bytes_recursive[i];

		if (!strcasecmp(e->op, "read"))
			device(m, e)->rbytes = e->value;
		else if (!strcasecmp(e->op, "write"))
			device(m, e)->wbytes = e->value;
		else if (!strcasecmp(e->op, "rios"))
			device(m, e)->rios = e->value;
		else if (!strcasecmp(e->op, "wios"))
			device(m, e)->wios = e->value;
	}
	for (size_t i = 0; i < from->n_io_serviced_recursive; i++) {
		const Grpc__BlkioStatsEntry *e = from->io_serviced_recursive[i];

		if (!strcasecmp(e->op, "read") || !strcasecmp(e->op, "rios"))
			device(m, e)->rios = e->value;
		else if (!strcasecmp(e->op, "write") || !strcasecmp(e->op, "wios"))
			device(m, e)->wios = e->value;
	}
}

static void set_hugetlb_v2(const Grpc__CgroupStats *from, V2 *to)
{
	to->hugetlb = xcalloc(from->n_hugetlb_stats + 1, sizeof(*to->hugetlb));
	for (; to->n_hugetlb < from->n_hugetlb_stats; to->n_hugetlb++) {
		const Grpc__CgroupStats__HugetlbStatsEntry *e = from->hugetlb_stats[to->n_hugetlb];
		Io__Containerd__Cgroups__V2__HugeTlbStat *h = xcalloc(1, sizeof(*h));

		io__containerd__cgroups__v2__huge_tlb_stat__init(h);
		h->pagesize = e->key;
		h->current = e->value ? e->value->usage : 0;
		h->max = e->value ? e->value->max_usage : 0;
		to->hugetlb[to->n_hugetlb] = h;
	}
}

static void set_memory_v2(const Grpc__MemoryStats *from,
			  Io__Containerd__Cgroups__V2__MemoryStat *to)
{
	if (!from)
		return;
	to->file = from->cache;
	fill_v2(from, &to->base);
	if (from->usage) {
		to->usage = from->usage->usage;
		to->usage_limit = from->usage->limit;
		to->max_usage = from->usage->max_usage;
	}
	if (from->swap_usage) {
		to->swap_usage = from->swap_usage->usage;
		to->swap_limit = from->swap_usage->limit;
		to->swap_max_usage = from->swap_usage->max_usage;
	}
}

static void set_cpu_v2(const Grpc__CpuStats *from, Io__Containerd__Cgroups__V2__CPUStat *to)
{
	if (from && from->cpu_usage) {
		to->usage_usec = from->cpu_usage->total_usage / 1000;
		to->user_usec = from->cpu_usage->usage_in_usermode / 1000;
		to->system_usec = from->cpu_usage->usage_in_kernelmode / 1000;
	}
	if (from && from->throttling_data) {
		to->nr_periods = from->throttling_data->periods;
		to->nr_throttled = from->throttling_data->throttled_periods;
		to->throttled_usec = from->throttling_data->throttled_time / 1000;
	}
}

static void pack_v2(const Grpc__StatsContainerResponse *stats, Google__Protobuf__Any *any)
{
	V2 m = IO__CONTAINERD__CGROUPS__V2__METRICS__INIT;
	Io__Containerd__Cgroups__V2__PidsStat pids = IO__CONTAINERD__CGROUPS__V2__PIDS_STAT__INIT;
	Io__Containerd__Cgroups__V2__CPUStat cpu = IO__CONTAINERD__CGROUPS__V2__CPUSTAT__INIT;
	Io__Containerd__Cgroups__V2__MemoryStat memory =
		IO__CONTAINERD__CGROUPS__V2__MEMORY_STAT__INIT;
	Io__Containerd__Cgroups__V2__IOStat io = IO__CONTAINERD__CGROUPS__V2__IOSTAT__INIT;
	const Grpc__CgroupStats *cg = stats->cgroup_stats;

	m.pids = &pids;
	m.cpu = &cpu;
	m.memory = &memory;
	m.io = &io;
	if (cg) {
		if (cg->pids_stats) {
			pids.current = cg->pids_stats->current;
			pids.limit = cg->pids_stats->limit;
		}
		set_cpu_v2(cg->cpu_stats, &cpu);
		set_memory_v2(cg->memory_stats, &memory);
		set_io_v2(cg->blkio_stats, &m);
		set_hugetlb_v2(cg, &m);
	}
	pack(&m.base, "io.containerd.cgroups.v2.Metrics", any);
	for (size_t i = 0; i < io.n_usage; i++)
		free(io.usage[i]);
	free(io.usage);
	for (size_t i = 0; i < m.n_hugetlb; i++)
		free(m.hugetlb[i]);
	free(m.hugetlb);
}

void metrics_pack(const Grpc__StatsContainerResponse *stats, bool unified,
		  Google__Protobuf__Any *any)
{
	if (unified)
		pack_v2(stats, any);
	else
		pack_v1(stats, any);
}
