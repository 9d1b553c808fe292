/* SPDX-License-Identifier: Apache-2.0 */
/* Which namespaces a container makes and which it enters. */
#ifndef AGENT_NAMESPACES_H
#define AGENT_NAMESPACES_H

#include <stdbool.h>

#include "base/err.h"
#include "proto/oci.pb-c.h"

enum ns_kind { NS_USER, NS_MNT, NS_PID, NS_IPC, NS_UTS, NS_NET, NS_CGROUP, NS_TIME, NS_KINDS };

struct ns_plan {
	unsigned long create; /* CLONE_NEW* */
	int join[NS_KINDS];   /* descriptors to enter, owned; -1: none */
};

/* What the sandbox shares among its containers; -1 where it shares nothing. */
struct ns_shared {
	int pid, ipc, uts; /* borrowed */
};

/* CLONE_NEW* of @kind. */
unsigned long ns_flag(enum ns_kind kind);

/*
 * Plan for @spec. As in the original agent the sandbox's own shared namespaces
 * go before the specification's paths for ipc and uts, a container always has a
 * mount and a pid namespace of its own (or the shared one), and without a path
 * the network is the guest's.
 */
int ns_plan(const Grpc__Linux *spec, const struct ns_shared *shared, struct ns_plan *plan,
	    struct err *err);

void ns_plan_done(struct ns_plan *plan);

/*
 * The agent itself enters what a child of it should start in (all but user and
 * mount) and comes back. Only a clone may happen in between. A failure to come
 * back is fatal: the agent would answer from the wrong place.
 */
int ns_enter(const struct ns_plan *plan, struct err *err);
void ns_return(const struct ns_plan *plan);

/* Remember the agent's own namespaces. Once, early. */
int ns_open_own(struct err *err);

/* Make ipc and uts namespaces (with @hostname unless it is ""); their descriptors, owned. */
int ns_make_shared(const char *hostname, int *ipc, int *uts, struct err *err);

/* Make a time namespace with the offsets of @spec and enter it: time_namespaces(7). */
int ns_make_time(const Grpc__Linux *spec, struct err *err);

/* The pid namespace of @pid, a descriptor or -errno. */
int ns_of_pid(int pid, enum ns_kind kind);

#endif
