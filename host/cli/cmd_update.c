/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/cli/opened.h"
#include "host/cli/read_input.h"
#include "host/cli/task_verbs.h"
#include "oci/spec.h"

#define UPDATE_LIMIT_MS 60000
#define RESOURCES_MAX	(1u << 20)

static struct {
	const char *resources;
	const char *memory, *memory_reservation, *memory_swap;
	const char *cpu_period, *cpu_quota, *cpu_shares, *cpus, *mems, *rt_period, *rt_runtime,
		*burst, *idle;
	const char *pids, *blkio_weight;
	const char *kernel, *kernel_tcp, *l3_cache, *mem_bw;
} opt;

static const struct flag flags[] = {
	{ "resources", "r", FLAG_STRING, &opt.resources, "FILE",
	  "all limits as JSON, as in linux.resources; - is standard input" },
	{ "memory", NULL, FLAG_STRING, &opt.memory, "SIZE", "in bytes, or with k, m, g; -1: none" },
	{ "memory-reservation", NULL, FLAG_STRING, &opt.memory_reservation, "SIZE",
	  "what it keeps when memory is scarce" },
	{ "memory-swap", NULL, FLAG_STRING, &opt.memory_swap, "SIZE",
	  "of memory and swap together; -1: none" },
	{ "cpu-period", NULL, FLAG_STRING, &opt.cpu_period, "MICROSECONDS", "see --cpu-quota" },
	{ "cpu-quota", NULL, FLAG_STRING, &opt.cpu_quota, "MICROSECONDS",
	  "processor time in each period; -1: no limit" },
	{ "cpu-burst", NULL, FLAG_STRING, &opt.burst, "MICROSECONDS",
	  "what it may save of its quota; 0 to the quota" },
	{ "cpu-idle", NULL, FLAG_STRING, &opt.idle, "N", "1: it runs when nothing else does" },
	{ "cpu-share", "cpu-shares", FLAG_STRING, &opt.cpu_shares, "N",
	  "weight against others: 2 to 262144" },
	{ "cpu-rt-period", NULL, FLAG_STRING, &opt.rt_period, "MICROSECONDS",
	  "see --cpu-rt-runtime" },
	{ "cpu-rt-runtime", NULL, FLAG_STRING, &opt.rt_runtime, "MICROSECONDS",
	  "of real time in each period" },
	{ "cpuset-cpus", NULL, FLAG_STRING, &opt.cpus, "LIST", "processors: 0-3,7" },
	{ "cpuset-mems", NULL, FLAG_STRING, &opt.mems, "LIST", "memory nodes" },
	{ "pids-limit", NULL, FLAG_STRING, &opt.pids, "N", "processes; -1: no limit" },
	{ "blkio-weight", NULL, FLAG_STRING, &opt.blkio_weight, "N", "10 to 1000" },
	{ "kernel-memory", NULL, FLAG_STRING, &opt.kernel, "SIZE",
	  "accepted; kernels have it no more" },
	{ "kernel-memory-tcp", NULL, FLAG_STRING, &opt.kernel_tcp, "SIZE",
	  "accepted; kernels have it no more" },
	{ "l3-cache-schema", NULL, FLAG_STRING, &opt.l3_cache, "SCHEMA",
	  "refused: no RDT in a guest" },
	{ "mem-bw-schema", NULL, FLAG_STRING, &opt.mem_bw, "SCHEMA", "refused: no RDT in a guest" },
	{ 0 },
};

/* ---- values ----------------------------------------------------------------- */

static int number(const char *flag, const char *text, long long min, long long max, long long *v,
		  struct err *err)
{
	int r = text ? str_to_ll(text, min, max, v) : 0;

	if (r == -ERANGE)
		return err_set(err, EINVAL, "flag --%s: %s is not between %lld and %lld", flag,
			       text, min, max);
	if (r < 0)
		return err_set(err, EINVAL, "flag --%s: \"%s\" is no whole number", flag, text);
	return 0;
}

/* "64m", "1.5GiB", as Docker writes sizes: powers of 1024 all of them. */
static int size(const char *flag, const char *text, int64_t *v, struct err *err)
{
	static const char units[] = "kmgtp";
	const char *unit;
	char *end;
	double value;

	if (!text)
		return 0;
	if (strcmp(text, "-1") == 0) {
		*v = -1;
		return 0;
	}
	value = isdigit((unsigned char)text[0]) && !strpbrk(text, "xXnNeE") ? strtod(text, &end) :
									      (end = NULL, -1.0);
	if (value < 0)
		return err_set(err, EINVAL, "flag --%s: \"%s\" is no size", flag, text);
	while (*end == ' ')
		end++;
	unit = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
	if (unit) {
		for (const char *u = units; u <= unit; u++)
			value *= 1024;
		end++;
		if (tolower((unsigned char)*end) == 'i')
			end++;
	}
	if (tolower((unsigned char)*end) == 'b')
		end++;
	if (*end || value >= 9.2e18)
		return err_set(err, EINVAL, "flag --%s: \"%s\" is no size", flag, text);
	*v = (int64_t)value;
	return 0;
}

/* ---- what to change --------------------------------------------------------- */

struct limits {
	Grpc__LinuxResources res;
	Grpc__LinuxMemory memory;
	Grpc__LinuxCPU cpu;
	Grpc__LinuxPids pids;
	Grpc__LinuxBlockIO blkio;
};

static int set_memory(struct limits *l, struct err *err)
{
	int r = size("memory", opt.memory, &l->memory.limit, err);

	if (r == 0)
		r = size("memory-reservation", opt.memory_reservation, &l->memory.reservation, err);
	if (r == 0)
		r = size("memory-swap", opt.memory_swap, &l->memory.swap, err);
	if (opt.memory || opt.memory_reservation || opt.memory_swap)
		l->res.memory = &l->memory;
	return r;
}

static int set_cpu(struct limits *l, struct err *err)
{
	long long period = 0, quota = 0, shares = 0, rt_period = 0, rt_runtime = 0, burst = 0;
	long long idle = 0;
	int r = number("cpu-period", opt.cpu_period, 0, 1000000, &period, err);

	if (r == 0)
		r = number("cpu-quota", opt.cpu_quota, -1, LLONG_MAX / 1000, &quota, err);
	if (r == 0)
		r = number("cpu-share", opt.cpu_shares, 0, 262144, &shares, err);
	if (r == 0)
		r = number("cpu-rt-period", opt.rt_period, 0, LLONG_MAX / 1000, &rt_period, err);
	if (r == 0)
		r = number("cpu-rt-runtime", opt.rt_runtime, -1, LLONG_MAX / 1000, &rt_runtime,
			   err);
	if (r == 0)
		r = number("cpu-burst", opt.burst, 0, LLONG_MAX / 1000, &burst, err);
	if (r == 0)
		r = number("cpu-idle", opt.idle, 0, 1, &idle, err);
	l->cpu.burst = (uint64_t)burst;
	if (opt.idle) {
		l->cpu.idle_of_case = GRPC__LINUX_CPU__IDLE_OF_IDLE;
		l->cpu.idle = idle;
	}
	l->cpu.period = (uint64_t)period;
	l->cpu.quota = quota;
	l->cpu.shares = (uint64_t)shares;
	l->cpu.realtimeperiod = (uint64_t)rt_period;
	l->cpu.realtimeruntime = rt_runtime;
	if (opt.cpus)
		l->cpu.cpus = (char *)(uintptr_t)opt.cpus;
	if (opt.mems)
		l->cpu.mems = (char *)(uintptr_t)opt.mems;
	if (opt.cpu_period || opt.cpu_quota || opt.cpu_shares || opt.cpus || opt.mems ||
	    opt.rt_period || opt.rt_runtime || opt.burst || opt.idle)
		l->res.cpu = &l->cpu;
	return r;
}

static int set_others(struct limits *l, struct err *err)
{
	long long pids = 0, weight = 0;
	int r = number("pids-limit", opt.pids, -1, LLONG_MAX, &pids, err);

	if (r == 0)
		r = number("blkio-weight", opt.blkio_weight, 10, 1000, &weight, err);
	l->pids.limit = pids;
	l->blkio.weight = (uint32_t)weight;
	if (opt.pids)
		l->res.pids = &l->pids;
	if (opt.blkio_weight)
		l->res.blockio = &l->blkio;
	return r;
}

/* What engines may name, and no container in a machine has. */
static int check_foreign(struct err *err)
{
	if (opt.l3_cache || opt.mem_bw)
		return err_set(err, EOPNOTSUPP,
			       "flag --%s: a virtual machine has no Intel RDT of its own",
			       opt.l3_cache ? "l3-cache-schema" : "mem-bw-schema");
	if (opt.kernel || opt.kernel_tcp)
		cli_warn("flag --kernel-memory%s is ignored: kernels have no such limit any more",
			 opt.kernel ? "" : "-tcp");
	return 0;
}

static int set_limits(struct limits *l, struct err *err)
{
	int r = check_foreign(err);

	if (r < 0)
		return r;
	grpc__linux_resources__init(&l->res);
	grpc__linux_memory__init(&l->memory);
	grpc__linux_cpu__init(&l->cpu);
	grpc__linux_pids__init(&l->pids);
	grpc__linux_block_io__init(&l->blkio);
	r = set_memory(l, err);
	if (r == 0)
		r = set_cpu(l, err);
	if (r == 0)
		r = set_others(l, err);
	if (r < 0)
		return r;
	if (!l->res.memory && !l->res.cpu && !l->res.pids && !l->res.blockio && !opt.kernel &&
	    !opt.kernel_tcp)
		return err_set(err, EINVAL,
			       "update: no limit is given; see kata-runtime update --help");
	return 0;
}

static int load_resources(Grpc__LinuxResources **res, struct err *err)
{
	auto_str struct str text = STR_INIT;
	int r = read_input(opt.resources, RESOURCES_MAX, &text, err);

	return r < 0 ? r :
		       oci_resources_parse(str_text(&text), text.len, input_name(opt.resources),
					   res, err);
}

static int update(const struct cli *cli, const char *id, const Grpc__LinuxResources *res,
		  struct err *err)
{
	auto_opened struct opened o = { NULL, NULL, NULL };
	int r = opened_open(&o, cli, id, err);

	return r < 0 ? r : task_update(o.task, res, UPDATE_LIMIT_MS, err);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	Grpc__LinuxResources *res = NULL;
	struct limits limits;
	int r;

	(void)argc;
	if (!opt.resources) {
		r = set_limits(&limits, err);
		return r < 0 ? r : update(cli, argv[0], &limits.res, err);
	}
	r = load_resources(&res, err);
	if (r < 0)
		return r;
	r = update(cli, argv[0], res, err);
	grpc__linux_resources__free_unpacked(res, NULL);
	return r;
}

const struct command cmd_update = {
	.name = "update",
	.args = "[options] ID",
	.help = "change the limits of a container",
	.more = "What is not named stays as it is. With --resources the other options mean nothing.",
	.flags = flags,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
