/* SPDX-License-Identifier: Apache-2.0 */
/* The specification's limits in both dialects. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
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

/* Write @text to @file of @controller. */
static int set(struct cgroup *cg, const char *controller, const char *file, const char *text,
	       struct err *err)
{
	bool v2;
	auto_free char *path = controller_file(cg, controller, file, &v2);

	if (!path)
		return err_set(err, ENOENT, "the host has no cgroup controller %s", controller);
	return file_write_knob(path, text, strlen(text), err);
}

static int set_number(struct cgroup *cg, const char *controller, const char *file, int64_t v,
		      const char *unlimited, struct err *err)
{
	auto_free char *text = v == -1 ? xstrdup(unlimited) : xasprintf("%" PRId64, v);

	return set(cg, controller, file, text, err);
}

/* Whether @controller speaks version 2; version 1 where it is missing. */
static bool is_v2(struct cgroup *cg, const char *controller)
{
	bool v2 = false;
	auto_free char *path = controller_file(cg, controller, "", &v2);

	return path && v2;
}

static int limit_cpu_v2(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	auto_free char *max = NULL;

	if (l->cpu_shares) {
		int r = set_number(cg, "cpu", "cpu.weight",
				   (int64_t)shares_to_weight(l->cpu_shares), "", err);
		if (r < 0)
			return r;
	}
	if (!l->cpu_quota && !l->cpu_period)
		return 0;
	if (l->cpu_quota > 0)
		max = xasprintf("%" PRId64 " %" PRIu64, l->cpu_quota,
				l->cpu_period ? l->cpu_period : 100000);
	else if (l->cpu_period)
		max = xasprintf("max %" PRIu64, l->cpu_period);
	else
		max = xstrdup("max");
	return set(cg, "cpu", "cpu.max", max, err);
}

static int limit_cpu_v1(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	int r = 0;

	if (l->cpu_shares)
		r = set_number(cg, "cpu", "cpu.shares", (int64_t)l->cpu_shares, "", err);
	if (r == 0 && l->cpu_period)
		r = set_number(cg, "cpu", "cpu.cfs_period_us", (int64_t)l->cpu_period, "", err);
	if (r == 0 && l->cpu_quota)
		r = set_number(cg, "cpu", "cpu.cfs_quota_us", l->cpu_quota, "-1", err);
	return r;
}

static int limit_memory_v2(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	bool v2;
	auto_free char *swap_max = controller_file(cg, "memory", "memory.swap.max", &v2);
	int64_t swap;
	int r = 0;

	if (l->memory)
		r = set_number(cg, "memory", "memory.max", l->memory, "max", err);
	if (r == 0 && l->memory_reservation)
		r = set_number(cg, "memory", "memory.low", l->memory_reservation, "max", err);
	if (r < 0 || !l->memory_swap)
		return r;
	if (swap_of_sum(l->memory, l->memory_swap, &swap) < 0)
		return err_set(err, EINVAL,
			       "memory swap limit %" PRId64 " without a lower memory limit",
			       l->memory_swap);
	/* A kernel that does not account swap needs no knob to forbid or allow all of it. */
	if (swap <= 0 && access(swap_max, F_OK) < 0)
		return 0;
	return set_number(cg, "memory", "memory.swap.max", swap, "max", err);
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
		r = set_number(cg, "memory", memory, l->memory, "-1", NULL);
		again = r < 0;
	}
	if (l->memory_swap) {
		r = set_number(cg, "memory", "memory.memsw.limit_in_bytes", l->memory_swap, "-1",
			       err);
		/* As for version 2: without accounting nothing limits the sum. */
		if (r == -ENOENT && (l->memory_swap == -1 || l->memory_swap == l->memory))
			r = 0;
		if (r < 0)
			return r;
	}
	if (again)
		r = set_number(cg, "memory", memory, l->memory, "-1", err);
	if (r == 0 && l->memory_reservation)
		r = set_number(cg, "memory", "memory.soft_limit_in_bytes", l->memory_reservation,
			       "-1", err);
	return r;
}

int cgroup_limit(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	int r = 0;

	if (l->cpu_shares || l->cpu_quota || l->cpu_period)
		r = is_v2(cg, "cpu") ? limit_cpu_v2(cg, l, err) : limit_cpu_v1(cg, l, err);
	if (r == 0 && l->cpus && *l->cpus)
		r = set(cg, "cpuset", "cpuset.cpus", l->cpus, err);
	if (r == 0 && l->mems && *l->mems)
		r = set(cg, "cpuset", "cpuset.mems", l->mems, err);
	if (r == 0 && (l->memory || l->memory_swap || l->memory_reservation))
		r = is_v2(cg, "memory") ? limit_memory_v2(cg, l, err) : limit_memory_v1(cg, l, err);
	if (r == 0 && l->pids)
		r = set_number(cg, "pids", "pids.max", l->pids > 0 ? l->pids : -1, "max", err);
	return r;
}
