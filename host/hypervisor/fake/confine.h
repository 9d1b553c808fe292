/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the fake driver's agent lives: its own mount, pid, UTS, IPC and cgroup
 * namespaces, with an empty /run in which only the sandbox's two directories
 * are, so that it finds what a guest would offer and leaves nothing outside.
 *
 * Three processes: the guard, in the host's namespaces, which ends the others
 * when its owner goes away and removes the cgroup after them; the init, process
 * 1 of the pid namespace; and the agent, which must not be process 1, because
 * there it would take itself for the first process of a machine.
 */
#ifndef HOST_HYPERVISOR_FAKE_CONFINE_H
#define HOST_HYPERVISOR_FAKE_CONFINE_H

#include "cgroup/cgroup.h"

struct confine {
	const char *run_dir;
	const char *share_dir; /* or NULL */
	int owner;	       /* a pipe's end; when the other is closed, all ends */
	const char *group_path;
	struct cgroup *group; /* at group_path, made by the caller; NULL: the host has none */
};

/*
 * proc_spec's before_exec, with a struct confine. Returns in the agent (0), and
 * with -errno where something failed; the child that was forked is the guard.
 */
int confine_enter(void *arg);

/* Remove the groups. -EBUSY while somebody lives in them. */
int confine_clear(struct confine *c);

#endif
