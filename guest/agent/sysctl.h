/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_SYSCTL_H
#define AGENT_SYSCTL_H

#include <stdbool.h>

#include "base/err.h"
#include "proto/oci.pb-c.h"

/* "net.ipv4.ip_forward" → "/proc/sys/net/ipv4/ip_forward"; NULL for a bad key. The caller frees. */
char *sysctl_path(const char *key);

/*
 * Which kind of namespace @key belongs to: CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS; 0: none,
 * it is the whole kernel's.
 */
unsigned long sysctl_namespace(const char *key);

/*
 * A user namespace has a say in the namespaces that were made with it (@made, CLONE_*), and
 * none in the others: those are written from outside of it.
 */
struct sysctl_side {
	unsigned long made;
	bool outside;
};

/*
 * Write the specification's values for the caller's namespaces; with @side only those of that
 * side. @whole_kernel: the kernel is the sandbox's own, so that any key is its own business.
 */
int sysctl_apply(const Grpc__Linux *spec, bool whole_kernel, const struct sysctl_side *side,
		 struct err *err);

#endif
