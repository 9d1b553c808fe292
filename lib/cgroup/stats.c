/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cgroup/internal.h"

#define STAT_MAX 65536

uint64_t keyed_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		if (*p == '\n')
			p++;
		if (!strncmp(p, key, len) && p[len] == ' ')
			return strtoull(p + len + 1, NULL, 10);
	}
	return 0;
}

int cgroup_read(struct cgroup *cg, const char *controller, const char *file, bool *v2,
		struct str *text)
{
	auto_free char *path = controller_file(cg, controller, file, v2);

	return path ? file_read(path, STAT_MAX, text, NULL) : -ENOENT;
}

static int read_text(struct cgroup *cg, const char *controller, const char *file, struct str *text)
{
	bool v2;

	return cgroup_read(cg, controller, file, &v2, text);
}

/* A file of one number; "max" is @max. */
static uint64_t number(struct cgroup *cg, const char *controller, const char *file, uint64_t max)
{
	auto_str struct str text = STR_INIT;

	if (read_text(cg, controller, file, &text) < 0)
		return 0;
	return str_starts(str_text(&text), "max") ? max : strtoull(str_text(&text), NULL, 10);
}

static void read_cpu(struct cgroup *cg, struct cgroup_stats *s)
{
	bool v2 = false;
	auto_free char *path = controller_file(cg, "cpu", "cpu.stat", &v2);
	auto_str struct str text = STR_INIT, acct = STR_INIT;
	long hz = sysconf(_SC_CLK_TCK);

	if (!path || file_read(path, STAT_MAX, &text, NULL) < 0)
		return;
	s->periods = keyed_value(str_text(&text), "nr_periods");
	s->throttled_periods = keyed_value(str_text(&text), "nr_throttled");
	if (v2) {
		s->throttled_time = keyed_value(str_text(&text), "throttled_usec") * 1000;
		s->cpu_usage = keyed_value(str_text(&text), "usage_usec") * 1000;
		s->cpu_user = keyed_value(str_text(&text), "user_usec") * 1000;
		s->cpu_system = keyed_value(str_text(&text), "system_usec") * 1000;
		return;
	}
	s->throttled_time = keyed_value(str_text(&text), "throttled_time");
	s->cpu_usage = number(cg, "cpuacct", "cpuacct.usage", 0);
	if (hz > 0 && read_text(cg, "cpuacct", "cpuacct.stat", &acct) == 0) {
		uint64_t tick = 1000000000 / (uint64_t)hz;

		s->cpu_user = keyed_value(str_text(&acct), "user") * tick;
		s->cpu_system = keyed_value(str_text(&acct), "system") * tick;
	}
}

static void read_memory(struct cgroup *cg, struct cgroup_stats *s)
{
	bool v2 = false;
	auto_free char *path = controller_file(cg, "memory", "memory.stat", &v2);
	auto_str struct str text = STR_INIT, events = STR_INIT;

	if (!path || file_read(path, STAT_MAX, &text, NULL) < 0)
		return;
	if (!v2) {
		s->memory = number(cg, "memory", "memory.usage_in_bytes", 0);
		s->memory_max = number(cg, "memory", "memory.max_usage_in_bytes", 0);
		s->memory_failures = number(cg, "memory", "memory.failcnt", 0);
		s->memory_limit = number(cg, "memory", "memory.limit_in_bytes", 0);
		s->memory_cache = keyed_value(str_text(&text), "cache");
		s->swap = number(cg, "memory", "memory.memsw.usage_in_bytes", 0);
		s->swap_limit = number(cg, "memory", "memory.memsw.limit_in_bytes", 0);
		return;
	}
	s->memory = number(cg, "memory", "memory.current", 0);
	s->memory_max = number(cg, "memory", "memory.peak", 0); /* since Linux 5.19 */
	s->memory_limit = number(cg, "memory", "memory.max", UINT64_MAX);
	s->memory_cache = keyed_value(str_text(&text), "file");
	s->swap = number(cg, "memory", "memory.swap.current", 0);
	s->swap_limit = number(cg, "memory", "memory.swap.max", UINT64_MAX);
	if (read_text(cg, "memory", "memory.events", &events) == 0)
		s->memory_failures = keyed_value(str_text(&events), "max");
}

void cgroup_read_stats(struct cgroup *cg, struct cgroup_stats *s)
{
	memset(s, 0, sizeof(*s));
	read_cpu(cg, s);
	read_memory(cg, s);
	s->pids = number(cg, "pids", "pids.current", 0);
	s->pids_limit = number(cg, "pids", "pids.max", 0);
}
