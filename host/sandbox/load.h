/* SPDX-License-Identifier: Apache-2.0 */
/* What containers may use at most, as their specifications say; pure. */
#ifndef HOST_SANDBOX_LOAD_H
#define HOST_SANDBOX_LOAD_H

#include "host/hypervisor/size.h"
#include "proto/agent.pb-c.h"

/* The limits of one container. @resources may be NULL: none. */
struct size_load load_of_container(const Grpc__LinuxResources *resources);

/*
 * Of the sandbox, as far as its first container knows: what the annotations
 * io.kubernetes.cri.sandbox-{cpu-quota,cpu-period,memory} say of the whole pod, or
 * where there are none, its own.
 */
struct size_load load_of_sandbox(const Grpc__Spec *spec);

#endif
