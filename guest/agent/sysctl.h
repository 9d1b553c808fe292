/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_SYSCTL_H
#define AGENT_SYSCTL_H

#include <stdbool.h>

#include "base/err.h"
#include "proto/oci.pb-c.h"

/* "net.ipv4.ip_forward" → "/proc/sys/net/ipv4/ip_forward"; NULL for a bad key. The caller frees. */
char *sysctl_path(const char *key);

/* True if @key belongs to a namespace that containers have (ipc, uts) or share (network). */
bool sysctl_namespaced(const char *key);

/*
 * Write the specification's values for the caller's namespaces. @whole_kernel:
 * the kernel is the sandbox's own, so that any key is its own business.
 */
int sysctl_apply(const Grpc__Linux *spec, bool whole_kernel, struct err *err);

#endif
