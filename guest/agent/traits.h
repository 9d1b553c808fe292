/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a process runs, beyond who it is: personality, scheduling, priority of
 * its reads and writes, processors, umask. OCI runtime-spec config.md and
 * config-linux.md.
 */
#ifndef AGENT_TRAITS_H
#define AGENT_TRAITS_H

#include <sched.h>
#include <sys/types.h>

#include "base/err.h"
#include "guest/agent/launch.h"

/* PER_* of @p (may be NULL: -1) into *@persona. Pure. */
int traits_personality(const Grpc__LinuxPersonality *p, int *persona, struct err *err);

/*
 * execCPUAffinity, which is for further processes: the processors that one of them,
 * or one without its own list, is to run on; NULL: wherever its container may.
 */
const char *traits_affinity(const Grpc__Process *process);

/* -EINVAL when that is no list. Pure. */
int traits_check_affinity(const Grpc__Process *process, struct err *err);

/* Take on those of @l; before the rights to do so are dropped. */
int traits_apply(const struct launch *l, struct err *err);

/* What the specification says, or else 022. */
mode_t traits_umask(const Grpc__Process *process);

/* "0-3,7" → @set. -EINVAL for anything else and for numbers beyond CPU_SETSIZE. Pure. */
int traits_cpus(const char *list, cpu_set_t *set);

#endif
