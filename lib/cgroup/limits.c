/* SPDX-License-Identifier: Apache-2.0 */
/* The specification's limits in both dialects. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cgroup/internal.h"

uint64_t shares_to_weight(uint64_t shares)
{
	if (shares < 2)
		shares = 2;
	if (shares > 262144)
		shares = 262144;
	return 1 + (shares - 2) * 9999 / 262142;
}

int swap_of_sum(int64_t memory, int64_t sum, int64_t *swap)
{
	if (sum == -1) {
		*swap = -1;
		return 0;
	}
	/* No limit of the memory leaves nothing to take from the sum. */
	if (memory == 0 || memory == -1 || sum < memory)
		return -EINVAL;
	*swap = sum - memory;
	return 0;
}

static int limit_cpu_v2(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	auto_free char *max = NULL;
	int r = 0;

	if (l->cpu_rt_runtime || l->cpu_rt_period)
		return err_set(err, EOPNOTSUPP,
			       "version 2 of control groups has no limits of real time");
	/* An idle group has no weight that could be changed. */
	if (l->has_cpu_idle)
		r = knob_set_number(cg, "cpu", "cpu.idle", l->cpu_idle, "", err);
	if (r == 0 && l->cpu_shares && !(l->has_cpu_idle && l->cpu_idle))
		r = knob_set_number(cg, "cpu", "cpu.weight",
				    (int64_t)shares_to_weight(l->cpu_shares), "", err);
	if (r < 0)
		return r;
	if (l->cpu_quota > 0)
		max = xasprintf("%" PRId64 " %" PRIu64, l->cpu_quota,
				l->cpu_period ? l->cpu_period : 100000);
	else if (l->cpu_period)
		max = xasprintf("max %" PRIu64, l->cpu_period);
	else if (l->cpu_quota)
		max = xstrdup("max");
	if (max)
		r = knob_set(cg, "cpu", "cpu.max", max, err);
	if (r == 0 && l->cpu_burst)
		r = knob_set_number(cg, "cpu", "cpu.max.burst", (int64_t)l->cpu_burst, "", err);
	return r;
}

/* A period that makes the old quota too large for the parent's comes behind the new quota. */
static int limit_cpu_time_v1(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	bool again = false;
	int r;

	if (l->cpu_period) {
		r = knob_set_number(cg, "cpu", "cpu.cfs_period_us", (int64_t)l->cpu_period, "",
				    err);
		again = r == -EINVAL && l->cpu_quota;
		if (r < 0 && !again)
			return r;
	}
	if (l->cpu_quota) {
		r = knob_set_number(cg, "cpu", "cpu.cfs_quota_us", l->cpu_quota, "-1", err);
		if (r < 0)
			return r;
	}
	if (!again)
		return 0;
	return knob_set_number(cg, "cpu", "cpu.cfs_period_us", (int64_t)l->cpu_period, "", err);
}

static int limit_cpu_v1(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	int r = 0;

	if (l->has_cpu_idle)
		r = knob_set_number(cg, "cpu", "cpu.idle", l->cpu_idle, "", err);
	if (r == 0 && l->cpu_shares && !(l->has_cpu_idle && l->cpu_idle))
		r = knob_set_number(cg, "cpu", "cpu.shares", (int64_t)l->cpu_shares, "", err);
	if (r == 0)
		r = limit_cpu_time_v1(cg, l, err);
	if (r == 0 && l->cpu_burst)
		r = knob_set_number(cg, "cpu", "cpu.cfs_burst_us", (int64_t)l->cpu_burst, "", err);
	if (r == 0 && l->cpu_rt_period)
		r = knob_set_number(cg, "cpu", "cpu.rt_period_us", (int64_t)l->cpu_rt_period, "",
				    err);
	if (r == 0 && l->cpu_rt_runtime)
		r = knob_set_number(cg, "cpu", "cpu.rt_runtime_us", l->cpu_rt_runtime, "-1", err);
	return r;
}

static int limit_memory_v2(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	bool v2;
	auto_free char *swap_max = controller_file(cg, "memory", "memory.swap.max", &v2);
	int64_t swap;
	int r = 0;

	if (l->memory)
		r = knob_set_number(cg, "memory", "memory.max", l->memory, "max", err);
	if (r == 0 && l->memory_reservation)
		r = knob_set_number(cg, "memory", "memory.low", l->memory_reservation, "max", err);
	if (r < 0 || !l->memory_swap)
		return r;
	if (swap_of_sum(l->memory, l->memory_swap, &swap) < 0)
		return err_set(err, EINVAL,
			       "memory swap limit %" PRId64 " without a lower memory limit",
			       l->memory_swap);
	/* A kernel that does not account swap needs no knob to forbid or allow all of it. */
	if (swap <= 0 && access(swap_max, F_OK) < 0)
		return 0;
	return knob_set_number(cg, "memory", "memory.swap.max", swap, "max", err);
}

/*
 * The sum must never be below the memory, so the order depends on which way
 * they move: try the memory first, and again after the sum.
 */
static int limit_memory_v1(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	static const char memory[] = "memory.limit_in_bytes";
	bool again = false;
	int r = 0;

	if (l->memory) {
		r = knob_set_number(cg, "memory", memory, l->memory, "-1", NULL);
		again = r < 0;
	}
	if (l->memory_swap) {
		r = knob_set_number(cg, "memory", "memory.memsw.limit_in_bytes", l->memory_swap,
				    "-1", err);
		/* As for version 2: without accounting nothing limits the sum. */
		if (r == -ENOENT && (l->memory_swap == -1 || l->memory_swap == l->memory))
			r = 0;
		if (r < 0)
			return r;
	}
	if (again)
		r = knob_set_number(cg, "memory", memory, l->memory, "-1", err);
	if (r == 0 && l->memory_reservation)
		r = knob_set_number(cg, "memory", "memory.soft_limit_in_bytes",
				    l->memory_reservation, "-1", err);
	if (r == 0 && l->memory_tcp)
		r = knob_set_number(cg, "memory", "memory.kmem.tcp.limit_in_bytes", l->memory_tcp,
				    "-1", err);
	if (r == 0 && l->swappiness)
		r = knob_set_number(cg, "memory", "memory.swappiness", (int64_t)l->swappiness, "",
				    err);
	if (r == 0 && l->oom_killer_off)
		r = knob_set(cg, "memory", "memory.oom_control", "1", err);
	return r;
}

static int limit_memory(struct cgroup *cg, const struct cgroup_limits *limits, struct err *err)
{
	struct cgroup_limits l = *limits;

	/* As runc: without a limit of the memory there is none of the swap either. */
	if (l.memory == -1 && l.memory_swap == 0)
		l.memory_swap = -1;
	if (l.swappiness > 100)
		return err_set(err, EINVAL, "swappiness %" PRIu64 " is above 100", l.swappiness);
	if (l.memory_check && l.memory > 0) {
		struct cgroup_stats now;

		cgroup_read_stats(cg, &now);
		if (now.memory > (uint64_t)l.memory)
			return err_set(err, EBUSY,
				       "a memory limit of %" PRId64 " is below the %" PRIu64
				       " that are in use",
				       l.memory, now.memory);
	}
	return controller_is_v2(cg, "memory") ? limit_memory_v2(cg, &l, err) :
						limit_memory_v1(cg, &l, err);
}

int cgroup_limit(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	bool cpu = l->cpu_shares || l->cpu_quota || l->cpu_period || l->cpu_burst ||
		   l->has_cpu_idle || l->cpu_rt_runtime || l->cpu_rt_period;
	bool memory = l->memory || l->memory_swap || l->memory_reservation || l->memory_tcp ||
		      l->swappiness || l->oom_killer_off;
	int r = 0;

	if (cpu)
		r = controller_is_v2(cg, "cpu") ? limit_cpu_v2(cg, l, err) :
						  limit_cpu_v1(cg, l, err);
	if (r == 0 && l->cpus && *l->cpus)
		r = knob_set(cg, "cpuset", "cpuset.cpus", l->cpus, err);
	if (r == 0 && l->mems && *l->mems)
		r = knob_set(cg, "cpuset", "cpuset.mems", l->mems, err);
	if (r == 0 && memory)
		r = limit_memory(cg, l, err);
	if (r == 0 && l->pids)
		r = knob_set_number(cg, "pids", "pids.max", l->pids > 0 ? l->pids : -1, "max", err);
	if (r == 0)
		r = limit_io(cg, l, err);
	return r < 0 ? r : limit_named(cg, l, err);
}
