/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/traits.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

struct word {
	const char *name;
	unsigned value;
};

static int find(const struct word *words, size_t n, const char *name, unsigned *value)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(words[i].name, name)) {
			*value = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

int traits_personality(const Grpc__LinuxPersonality *p, int *persona, struct err *err)
{
	static const struct word domains[] = { { "LINUX", PER_LINUX }, { "LINUX32", PER_LINUX32 } };
	unsigned domain;

	*persona = -1;
	if (!p)
		return 0;
	if (p->n_flags > 0)
		return err_set(err, EINVAL, "personality: unknown flag \"%s\"", p->flags[0]);
	if (find(domains, ARRAY_SIZE(domains), p->domain, &domain) < 0)
		return err_set(err, EINVAL, "personality: unknown domain \"%s\"", p->domain);
	*persona = (int)domain;
	return 0;
}

/* Of sched_setattr(2); the kernel's header for it contradicts the C library's. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int set_scheduler(const Grpc__Scheduler *s, struct err *err)
{
	static const struct word policies[] = {
		{ "SCHED_OTHER", 0 },	 { "SCHED_FIFO", 1 }, { "SCHED_RR", 2 },
		{ "SCHED_BATCH", 3 },	 { "SCHED_ISO", 4 },  { "SCHED_IDLE", 5 },
		{ "SCHED_DEADLINE", 6 },
	};
	static const struct word flags[] = {
		{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
		{ "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
		{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
		{ "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
		{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
		{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
		{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX },
	};
	struct attributes attr = {
		.size = sizeof(attr),
		.nice = s->nice,
		.priority = (uint32_t)s->priority,
		.runtime = s->runtime,
		.deadline = s->deadline,
		.period = s->period,
	};
	unsigned v;

	if (find(policies, ARRAY_SIZE(policies), s->policy, &v) < 0)
		return err_set(err, EINVAL, "scheduler: unknown policy \"%s\"", s->policy);
	attr.policy = v;
	for (size_t i = 0; i < s->n_flags; i++) {
		if (find(flags, ARRAY_SIZE(flags), s->flags[i], &v) < 0)
			return err_set(err, EINVAL, "scheduler: unknown flag \"%s\"", s->flags[i]);
		attr.flags |= v;
	}
	if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
		return err_sys(err, errno, "scheduler %s", s->policy);
	return 0;
}

static int set_io_priority(const Grpc__IOPriority *p, struct err *err)
{
	static const struct word classes[] = {
		{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT },
		{ "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
		{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE },
	};
	unsigned class;

	if (find(classes, ARRAY_SIZE(classes), p->class_, &class) < 0)
		return err_set(err, EINVAL, "ioPriority: unknown class \"%s\"", p->class_);
	if (p->priority < 0 || p->priority > 7)
		return err_set(err, EINVAL, "ioPriority: %d is not between 0 and 7", p->priority);
	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		    class << IOPRIO_CLASS_SHIFT | (unsigned)p->priority) < 0)
		return err_sys(err, errno, "ioPriority %s", p->class_);
	return 0;
}

int traits_cpus(const char *list, cpu_set_t *set)
{
	auto_free char *copy = xstrdup(list);
	char *save = NULL;

	CPU_ZERO(set);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		char *dash = strchr(w, '-');
		long long from, to;

		if (dash)
			*dash++ = '\0';
		if (str_to_ll(w, 0, CPU_SETSIZE - 1, &from) < 0 ||
		    str_to_ll(dash ? dash : w, from, CPU_SETSIZE - 1, &to) < 0)
			return -EINVAL;
		for (; from <= to; from++)
			CPU_SET((size_t)from, set);
	}
	return CPU_COUNT(set) > 0 ? 0 : -EINVAL;
}

const char *traits_affinity(const Grpc__Process *process)
{
	const Grpc__CPUAffinity *a = process->execcpuaffinity;

	if (!a)
		return NULL;
	return *a->final ? a->final : *a->initial ? a->initial : NULL;
}

int traits_check_affinity(const Grpc__Process *process, struct err *err)
{
	const char *list = traits_affinity(process);
	cpu_set_t set;

	if (list && traits_cpus(list, &set) < 0)
		return err_set(err, EINVAL, "execCPUAffinity: \"%s\" is no list of processors",
			       list);
	return 0;
}

static int set_affinity(const char *list, struct err *err)
{
	cpu_set_t set;

	if (traits_cpus(list, &set) < 0)
		return err_set(err, EINVAL, "execCPUAffinity: \"%s\" is no list of processors",
			       list);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return err_sys(err, errno, "execCPUAffinity %s", list);
	return 0;
}

int traits_apply(const struct launch *l, struct err *err)
{
	const Grpc__Process *p = l->process;
	int r = 0;

	if (l->personality >= 0 && personality((unsigned long)l->personality) < 0)
		return err_sys(err, errno, "personality");
	if (p->scheduler)
		r = set_scheduler(p->scheduler, err);
	if (r == 0 && p->iopriority)
		r = set_io_priority(p->iopriority, err);
	if (r == 0 && l->cpus)
		r = set_affinity(l->cpus, err);
	return r;
}

mode_t traits_umask(const Grpc__Process *process)
{
	const Grpc__User *user = process->user;

	return user && user->umask_of_case ? user->umask & 0777 : 022;
}
