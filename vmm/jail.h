/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor may still reach in the system once guest code runs: the descriptors
 * that it holds, and nothing by a name. What it may ask of the kernel with these is the
 * other half (vmm/seccomp.h). Why, and against whom: docs/threat-model.md.
 */
#ifndef VMM_JAIL_H
#define VMM_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct jail_config {
	unsigned descriptors; /* that may be made yet: connections that sockets accept */
	uint64_t file_size;   /* what is written may not grow beyond; RLIM_INFINITY: may */
	bool keep_netns;      /* it is where others look for the machine's network */
};

/*
 * Close all descriptors above 2 but the @n in @keep, in any order (negative ones are
 * skipped): what a careless parent left open. The first thing that a program does.
 */
void jail_close_others(const int *keep, size_t n);

/*
 * Enter it: namespaces of its own (mounts, network, IPC, host name, control groups), an
 * empty root that cannot be written, nobody's user ID where it was root's, no
 * capabilities, no new privileges, no dumps, low limits of resources. A process without
 * privileges makes a user namespace for it.
 *
 * Called when everything is open and there is one thread: those made later are inside.
 *
 * A container or an old kernel may refuse some of it; that is left out and said in one
 * line of the log. 0, or -errno and @err when what no environment may refuse fails; then
 * the process is neither in nor out and has to end.
 *
 * A namespace of processes has to be there from the start, because a process cannot enter
 * one: struct proc_spec has it for the driver.
 */
int jail_enter(const struct jail_config *config, struct err *err);

#endif
