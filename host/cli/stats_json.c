/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/stats_json.h"

#include "base/cleanup.h"

static void add(json_object *obj, const char *name, uint64_t value)
{
	json_object_object_add(obj, name, json_object_new_uint64(value));
}

static json_object *add_object(json_object *obj, const char *name)
{
	json_object *o = json_object_new_object();

	json_object_object_add(obj, name, o);
	return o;
}

static void add_cpu(json_object *data, const Grpc__CpuStats *s)
{
	const Grpc__CpuUsage *u = s ? s->cpu_usage : NULL;
	const Grpc__ThrottlingData *t = s ? s->throttling_data : NULL;
	json_object *cpu = add_object(data, "cpu"), *usage = add_object(cpu, "usage"),
		    *throttling = add_object(cpu, "throttling");

	add(usage, "total", u ? u->total_usage : 0);
	if (u && u->n_percpu_usage > 0) {
		json_object *list = json_object_new_array();

		for (size_t i = 0; i < u->n_percpu_usage; i++)
			json_object_array_add(list, json_object_new_uint64(u->percpu_usage[i]));
		json_object_object_add(usage, "percpu", list);
	}
	add(usage, "kernel", u ? u->usage_in_kernelmode : 0);
	add(usage, "user", u ? u->usage_in_usermode : 0);
	if (t) {
		add(throttling, "periods", t->periods);
		add(throttling, "throttledPeriods", t->throttled_periods);
		add(throttling, "throttledTime", t->throttled_time);
	}
}

static void add_entry(json_object *memory, const char *name, const Grpc__MemoryData *d)
{
	json_object *entry = add_object(memory, name);

	add(entry, "limit", d ? d->limit : 0);
	add(entry, "usage", d ? d->usage : 0);
	add(entry, "max", d ? d->max_usage : 0);
	add(entry, "failcnt", d ? d->failcnt : 0);
}

static void add_memory(json_object *data, const Grpc__MemoryStats *s)
{
	json_object *memory = add_object(data, "memory"), *raw;

	add(memory, "cache", s ? s->cache : 0);
	add_entry(memory, "usage", s ? s->usage : NULL);
	add_entry(memory, "swap", s ? s->swap_usage : NULL);
	add_entry(memory, "kernel", s ? s->kernel_usage : NULL);
	add_entry(memory, "kernelTCP", NULL);
	raw = add_object(memory, "raw");
	for (size_t i = 0; s && i < s->n_stats; i++)
		add(raw, s->stats[i]->key, s->stats[i]->value);
}

static void add_list(json_object *blkio, const char *name, Grpc__BlkioStatsEntry *const *list,
		     size_t n)
{
	json_object *array;

	if (n == 0)
		return;
	array = json_object_new_array();
	for (size_t i = 0; i < n; i++) {
		json_object *e = json_object_new_object();

		add(e, "major", list[i]->major);
		add(e, "minor", list[i]->minor);
		json_object_object_add(e, "op", json_object_new_string(list[i]->op));
		add(e, "value", list[i]->value);
		json_object_array_add(array, e);
	}
	json_object_object_add(blkio, name, array);
}

static void add_blkio(json_object *data, const Grpc__BlkioStats *s)
{
	json_object *io = add_object(data, "blkio");

	if (!s)
		return;
	add_list(io, "ioServiceBytesRecursive", s->io_service_bytes_recursive,
		 s->n_io_service_bytes_recursive);
	add_list(io, "ioServicedRecursive", s->io_serviced_recursive, s->n_io_serviced_recursive);
	add_list(io, "ioQueueRecursive", s->io_queued_recursive, s->n_io_queued_recursive);
	add_list(io, "ioServiceTimeRecursive", s->io_service_time_recursive,
		 s->n_io_service_time_recursive);
	add_list(io, "ioWaitTimeRecursive", s->io_wait_time_recursive, s->n_io_wait_time_recursive);
	add_list(io, "ioMergedRecursive", s->io_merged_recursive, s->n_io_merged_recursive);
	add_list(io, "ioTimeRecursive", s->io_time_recursive, s->n_io_time_recursive);
	add_list(io, "sectorsRecursive", s->sectors_recursive, s->n_sectors_recursive);
}

static void add_hugetlb(json_object *data, const Grpc__CgroupStats *s)
{
	json_object *all = add_object(data, "hugetlb");

	for (size_t i = 0; s && i < s->n_hugetlb_stats; i++) {
		const Grpc__HugetlbStats *h = s->hugetlb_stats[i]->value;
		json_object *one = add_object(all, s->hugetlb_stats[i]->key);

		add(one, "usage", h ? h->usage : 0);
		add(one, "max", h ? h->max_usage : 0);
		add(one, "failcnt", h ? h->failcnt : 0);
	}
}

/* Go's own spelling of the members: this type has no other. */
static void add_network(json_object *data, const Grpc__StatsContainerResponse *stats)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < stats->n_network_stats; i++) {
		const Grpc__NetworkStats *n = stats->network_stats[i];
		json_object *one = json_object_new_object();

		json_object_object_add(one, "Name", json_object_new_string(n->name));
		add(one, "RxBytes", n->rx_bytes);
		add(one, "RxPackets", n->rx_packets);
		add(one, "RxErrors", n->rx_errors);
		add(one, "RxDropped", n->rx_dropped);
		add(one, "TxBytes", n->tx_bytes);
		add(one, "TxPackets", n->tx_packets);
		add(one, "TxErrors", n->tx_errors);
		add(one, "TxDropped", n->tx_dropped);
		json_object_array_add(list, one);
	}
	json_object_object_add(data, "network_interfaces", list);
}

json_object *stats_json(const Grpc__StatsContainerResponse *stats)
{
	const Grpc__CgroupStats *s = stats->cgroup_stats;
	json_object *data = json_object_new_object(), *pids;

	add_cpu(data, s ? s->cpu_stats : NULL);
	add_memory(data, s ? s->memory_stats : NULL);
	pids = add_object(data, "pids");
	add(pids, "current", s && s->pids_stats ? s->pids_stats->current : 0);
	add(pids, "limit", s && s->pids_stats ? s->pids_stats->limit : 0);
	add_blkio(data, s ? s->blkio_stats : NULL);
	add_hugetlb(data, s);
	add_network(data, stats);
	return data;
}
