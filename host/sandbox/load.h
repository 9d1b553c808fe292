/* SPDX-License-Identifier: Apache-2.0 */
/* What containers may use at most, as their specifications say; pure. */
#ifndef HOST_SANDBOX_LOAD_H
#define HOST_SANDBOX_LOAD_H

#include "host/hypervisor/size.h"
#include "proto/agent.pb-c.h"

/* The limits of one container as far as they count; all 0: none. */
struct load_limits {
	int64_t quota;	 /* microseconds in each period; < 0: unlimited */
	uint64_t period; /* microseconds */
	uint64_t memory; /* bytes, here and below */
	uint64_t hugepages;
};

/* Change what @resources (may be NULL) names; the others stay, as with an update. */
void load_merge(struct load_limits *limits, const Grpc__LinuxResources *resources);

/* Add them to @sum. */
void load_add(struct size_load *sum, const struct load_limits *limits);

/*
 * Of the sandbox, as far as its first container knows: what the annotations
 * io.kubernetes.cri.sandbox-{cpu-quota,cpu-period,memory} say of the whole pod, or
 * where there are none, its own.
 */
struct size_load load_of_sandbox(const Grpc__Spec *spec);

#endif
