/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/stats.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

/* A new message of @type, appended to *@list of *@n. */
static void *append(void *list, size_t *n, const ProtobufCMessageDescriptor *type)
{
	void ***v = list;
	ProtobufCMessage *m = xmalloc(type->sizeof_message);

	protobuf_c_message_init(type, m);
	*v = xrealloc(*v, (*n + 1) * sizeof(void *));
	(*v)[(*n)++] = m;
	return m;
}

static void *new_message(const ProtobufCMessageDescriptor *type)
{
	ProtobufCMessage *m = xmalloc(type->sizeof_message);

	protobuf_c_message_init(type, m);
	return m;
}

/* ---- processors and memory ------------------------------------------------ */

static void per_cpu(struct container *c, Grpc__CpuUsage *usage)
{
	auto_str struct str text = STR_INIT;
	char *p, *end;
	bool v2;

	/* Version 2 does not tell. */
	if (cgroup_read(c->cgroup, "cpuacct", "cpuacct.usage_percpu", &v2, &text) < 0)
		return;
	for (p = text.data; p; p = end) {
		unsigned long long v = strtoull(p, &end, 10);

		if (end == p)
			return;
		usage->percpu_usage = xrealloc(usage->percpu_usage,
					       (usage->n_percpu_usage + 1) * sizeof(uint64_t));
		usage->percpu_usage[usage->n_percpu_usage++] = v;
	}
}

static Grpc__CpuStats *cpu_stats(struct container *c, const struct cgroup_stats *s)
{
	Grpc__CpuStats *cpu = new_message(&grpc__cpu_stats__descriptor);

	cpu->cpu_usage = new_message(&grpc__cpu_usage__descriptor);
	cpu->cpu_usage->total_usage = s->cpu_usage;
	cpu->cpu_usage->usage_in_kernelmode = s->cpu_system;
	cpu->cpu_usage->usage_in_usermode = s->cpu_user;
	per_cpu(c, cpu->cpu_usage);
	cpu->throttling_data = new_message(&grpc__throttling_data__descriptor);
	cpu->throttling_data->periods = s->periods;
	cpu->throttling_data->throttled_periods = s->throttled_periods;
	cpu->throttling_data->throttled_time = s->throttled_time;
	return cpu;
}

/* "key value" lines. */
static void memory_details(struct container *c, Grpc__MemoryStats *m)
{
	auto_str struct str text = STR_INIT;
	char *save = NULL;
	bool v2;

	if (cgroup_read(c->cgroup, "memory", "memory.stat", &v2, &text) < 0 || text.len == 0)
		return;
	for (char *l = strtok_r(text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(l, ' ');
		Grpc__MemoryStats__StatsEntry *e;

		if (!value)
			continue;
		*value++ = '\0';
		e = append(&m->stats, &m->n_stats, &grpc__memory_stats__stats_entry__descriptor);
		e->key = xstrdup(l);
		e->value = strtoull(value, NULL, 10);
		if (v2 && !strcmp(l, "kernel"))
			m->kernel_usage->usage = e->value;
	}
}

static uint64_t memory_number(struct container *c, const char *file)
{
	auto_str struct str text = STR_INIT;
	bool v2;

	if (cgroup_read(c->cgroup, "memory", file, &v2, &text) < 0)
		return 0;
	return strtoull(str_text(&text), NULL, 10);
}

static Grpc__MemoryStats *memory_stats(struct container *c, const struct cgroup_stats *s)
{
	Grpc__MemoryStats *m = new_message(&grpc__memory_stats__descriptor);

	m->cache = s->memory_cache;
	m->use_hierarchy = 1;
	m->usage = new_message(&grpc__memory_data__descriptor);
	m->usage->usage = s->memory;
	m->usage->max_usage = s->memory_max;
	m->usage->failcnt = s->memory_failures;
	m->usage->limit = s->memory_limit;
	m->swap_usage = new_message(&grpc__memory_data__descriptor);
	m->swap_usage->usage = s->swap;
	m->swap_usage->limit = s->swap_limit;
	m->swap_usage->max_usage = memory_number(c, "memory.memsw.max_usage_in_bytes");
	m->swap_usage->failcnt = memory_number(c, "memory.memsw.failcnt");
	m->kernel_usage = new_message(&grpc__memory_data__descriptor);
	m->kernel_usage->usage = memory_number(c, "memory.kmem.usage_in_bytes");
	m->kernel_usage->max_usage = memory_number(c, "memory.kmem.max_usage_in_bytes");
	m->kernel_usage->failcnt = memory_number(c, "memory.kmem.failcnt");
	m->kernel_usage->limit = memory_number(c, "memory.kmem.limit_in_bytes");
	memory_details(c, m);
	return m;
}

/* ---- block devices -------------------------------------------------------- */

static void add_io(Grpc__BlkioStatsEntry ***out, size_t *n, uint64_t major, uint64_t minor,
		   const char *op, uint64_t value)
{
	Grpc__BlkioStatsEntry *e = append(out, n, &grpc__blkio_stats_entry__descriptor);

	e->major = major;
	e->minor = minor;
	e->op = xstrdup(op);
	e->value = value;
}

void stats_parse_blkio(const char *text, Grpc__BlkioStatsEntry ***out, size_t *n)
{
	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		uint64_t major, minor, value;
		char op[32] = "";

		p += *p == '\n';
		/* "8:0 Read 5", or without an operation "8:0 5"; the last line is a sum. */
		if (sscanf(p, "%" SCNu64 ":%" SCNu64 " %31[A-Za-z] %" SCNu64, &major, &minor, op,
			   &value) == 4 ||
		    sscanf(p, "%" SCNu64 ":%" SCNu64 " %" SCNu64, &major, &minor, &value) == 3)
			add_io(out, n, major, minor, op, value);
	}
}

/* The number behind " KEY=" in the line @p; false without one. */
static bool io_value(const char *p, const char *key, uint64_t *value)
{
	auto_free char *word = xasprintf(" %s=", key);
	auto_free char *line = xstrndup(p, strcspn(p, "\n"));
	const char *found = strstr(line, word);

	if (!found)
		return false;
	*value = strtoull(found + strlen(word), NULL, 10);
	return true;
}

void stats_parse_io(const char *text, const char *read, const char *write,
		    Grpc__BlkioStatsEntry ***out, size_t *n)
{
	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		uint64_t major, minor, value;

		p += *p == '\n';
		if (sscanf(p, "%" SCNu64 ":%" SCNu64 " ", &major, &minor) != 2)
			continue;
		if (io_value(p, read, &value))
			add_io(out, n, major, minor, "Read", value);
		if (io_value(p, write, &value))
			add_io(out, n, major, minor, "Write", value);
	}
}

/* Of the schedulers' files the first that tells something. */
static void blkio(struct container *c, const char *what, bool throttle,
		  Grpc__BlkioStatsEntry ***out, size_t *n)
{
	static const char *const kinds[] = { "", "bfq.", "throttle." };

	for (size_t i = 0; *n == 0 && i < ARRAY_SIZE(kinds) - !throttle; i++) {
		auto_free char *file = xasprintf("blkio.%s%s_recursive", kinds[i], what);
		auto_str struct str text = STR_INIT;
		bool v2;

		if (cgroup_read(c->cgroup, "blkio", file, &v2, &text) == 0)
			stats_parse_blkio(str_text(&text), out, n);
	}
}

static Grpc__BlkioStats *blkio_stats(struct container *c)
{
	Grpc__BlkioStats *b = new_message(&grpc__blkio_stats__descriptor);
	auto_str struct str text = STR_INIT;
	bool v2;

	if (cgroup_read(c->cgroup, "io", "io.stat", &v2, &text) == 0) {
		stats_parse_io(str_text(&text), "rbytes", "wbytes", &b->io_service_bytes_recursive,
			       &b->n_io_service_bytes_recursive);
		stats_parse_io(str_text(&text), "rios", "wios", &b->io_serviced_recursive,
			       &b->n_io_serviced_recursive);
		return b;
	}
	blkio(c, "io_service_bytes", true, &b->io_service_bytes_recursive,
	      &b->n_io_service_bytes_recursive);
	blkio(c, "io_serviced", true, &b->io_serviced_recursive, &b->n_io_serviced_recursive);
	blkio(c, "io_queued", false, &b->io_queued_recursive, &b->n_io_queued_recursive);
	blkio(c, "io_service_time", false, &b->io_service_time_recursive,
	      &b->n_io_service_time_recursive);
	blkio(c, "io_wait_time", false, &b->io_wait_time_recursive, &b->n_io_wait_time_recursive);
	blkio(c, "io_merged", false, &b->io_merged_recursive, &b->n_io_merged_recursive);
	blkio(c, "time", false, &b->io_time_recursive, &b->n_io_time_recursive);
	blkio(c, "sectors", false, &b->sectors_recursive, &b->n_sectors_recursive);
	return b;
}

/* ---- huge pages ----------------------------------------------------------- */

char *stats_page_size(unsigned long long kilobytes)
{
	static const char *const units[] = { "KB", "MB", "GB" };
	size_t unit = 0;

	while (unit + 1 < ARRAY_SIZE(units) && kilobytes >= 1024 && kilobytes % 1024 == 0) {
		kilobytes /= 1024;
		unit++;
	}
	return xasprintf("%llu%s", kilobytes, units[unit]);
}

static uint64_t hugetlb_number(struct container *c, const char *size, const char *v1,
			       const char *v2, bool *found)
{
	auto_free char *old = xasprintf("hugetlb.%s.%s", size, v1);
	auto_free char *new = xasprintf("hugetlb.%s.%s", size, v2);
	auto_str struct str text = STR_INIT;
	bool dialect;

	if (cgroup_read(c->cgroup, "hugetlb", old, &dialect, &text) < 0 &&
	    cgroup_read(c->cgroup, "hugetlb", new, &dialect, &text) < 0)
		return 0;
	*found = true;
	/* hugetlb.SIZE.events has "max N". */
	return strtoull(str_text(&text) + strcspn(str_text(&text), "0123456789"), NULL, 10);
}

static void hugetlb_stats(struct container *c, Grpc__CgroupStats *stats)
{
	auto_closedir DIR *d = opendir("/sys/kernel/mm/hugepages");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		Grpc__CgroupStats__HugetlbStatsEntry *entry;
		auto_free char *size = NULL;
		unsigned long long kb;
		bool found = false;
		Grpc__HugetlbStats v = GRPC__HUGETLB_STATS__INIT;

		if (sscanf(e->d_name, "hugepages-%llukB", &kb) != 1)
			continue;
		size = stats_page_size(kb);
		v.usage = hugetlb_number(c, size, "usage_in_bytes", "current", &found);
		v.failcnt = hugetlb_number(c, size, "failcnt", "events", &found);
		v.max_usage = hugetlb_number(c, size, "max_usage_in_bytes", "peak", &found);
		if (!found)
			continue;
		entry = append(&stats->hugetlb_stats, &stats->n_hugetlb_stats,
			       &grpc__cgroup_stats__hugetlb_stats_entry__descriptor);
		entry->key = xstrdup(size);
		entry->value = new_message(&grpc__hugetlb_stats__descriptor);
		*entry->value = v;
	}
}

/* ---- network -------------------------------------------------------------- */

void stats_parse_net(const char *text, Grpc__StatsContainerResponse *rsp)
{
	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		Grpc__NetworkStats s = GRPC__NETWORK_STATS__INIT, *out;
		char name[32];

		p += *p == '\n';
		/* bytes packets errs drop fifo frame compressed multicast, and the same sent */
		if (sscanf(p,
			   " %31[^: |]: %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
			   name, &s.rx_bytes, &s.rx_packets, &s.rx_errors, &s.rx_dropped,
			   &s.tx_bytes, &s.tx_packets, &s.tx_errors, &s.tx_dropped) != 9)
			continue;
		out = append(&rsp->network_stats, &rsp->n_network_stats,
			     &grpc__network_stats__descriptor);
		*out = s;
		out->name = xstrdup(name);
	}
}

static void network_stats(struct container *c, Grpc__StatsContainerResponse *rsp)
{
	/* Of the first process's network; without it that of the guest, which is the usual one. */
	auto_free char *path = c->init && process_alive(c->init) ?
				       xasprintf("/proc/%d/net/dev", (int)c->init->pid) :
				       xstrdup("/proc/self/net/dev");
	auto_str struct str text = STR_INIT;

	if (file_read(path, 65536, &text, NULL) == 0)
		stats_parse_net(str_text(&text), rsp);
}

Grpc__StatsContainerResponse *stats_of(struct container *c)
{
	Grpc__StatsContainerResponse *rsp =
		new_message(&grpc__stats_container_response__descriptor);
	Grpc__CgroupStats *g = new_message(&grpc__cgroup_stats__descriptor);
	struct cgroup_stats s;

	cgroup_read_stats(c->cgroup, &s);
	rsp->cgroup_stats = g;
	g->cpu_stats = cpu_stats(c, &s);
	g->memory_stats = memory_stats(c, &s);
	g->pids_stats = new_message(&grpc__pids_stats__descriptor);
	g->pids_stats->current = s.pids;
	g->pids_stats->limit = s.pids_limit;
	g->blkio_stats = blkio_stats(c);
	hugetlb_stats(c, g);
	network_stats(c, rsp);
	return rsp;
}
