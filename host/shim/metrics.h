/* SPDX-License-Identifier: Apache-2.0 */
/* What a container uses, from the agent's words into containerd's. */
#ifndef HOST_SHIM_METRICS_H
#define HOST_SHIM_METRICS_H

#include <stdbool.h>

#include "proto/agent.pb-c.h"
#include "proto/google/protobuf/any.pb-c.h"

/*
 * Put @stats into @any as io.containerd.cgroups.v2.Metrics when @unified, else as
 * v1.Metrics: containerd reads the type that fits the host, whatever the guest has.
 * @any->value.data is malloc's, for the caller to free; the type URL is constant.
 */
void metrics_pack(const Grpc__StatsContainerResponse *stats, bool unified,
		  Google__Protobuf__Any *any);

#endif
