/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc tells of a process (proc(5)), under the names that Kata gave it. */
#ifndef PROM_PROCESS_H
#define PROM_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

/* Of more network devices nothing is told: a host has two for each of its containers. */
#define PROM_DEVICES_MAX 16

/*
 * "@prefix" + threads, proc_status, proc_stat, io_stat and fds of @pid; with @netdev also
 * the network devices that it sees. @subject names it in the help: "Hypervisor". What
 * cannot be read is left out; nothing at all comes of a process that has gone.
 */
void prom_process(struct str *out, const char *prefix, const char *subject, pid_t pid, bool netdev);

/* "@prefix" + process_cpu_seconds_total and the others of each Prometheus client, of this one. */
void prom_self(struct str *out, const char *prefix);

/*
 * What the process holds of the host: the time that it ran in nanoseconds, and its memory in
 * bytes, of which @shared (what it has in common with others by design) counts or not.
 */
struct prom_usage {
	uint64_t cpu_ns, memory;
};
void prom_usage_add(struct prom_usage *sum, pid_t pid, bool shared);

#endif
