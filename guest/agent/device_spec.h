/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of a request's devices in the guest, written into the OCI
 * specification, which has the host's numbers. Pure.
 */
#ifndef AGENT_DEVICE_SPEC_H
#define AGENT_DEVICE_SPEC_H

#include "base/err.h"
#include "proto/agent.pb-c.h"

#define DEVICE_ADDRESSES_MAX 8
#define DEVICE_ADDRESS_LEN   16 /* "0000:01:00.0" */
#define DEVICE_NODE_LEN	     64

/* Of fixed size, so that a job can leave it in memory that it shares with the agent. */
struct device_found {
	char type; /* 'b' or 'c'; 0: no node of its own, only addresses */
	unsigned major, minor;
	char path[DEVICE_NODE_LEN]; /* its new place in the container; "": as asked for */
	unsigned addresses;
	char host[DEVICE_ADDRESSES_MAX][DEVICE_ADDRESS_LEN];
	char guest[DEVICE_ADDRESSES_MAX][DEVICE_ADDRESS_LEN];
};

/* Whether the requests say what they must: -EINVAL and which one does not. */
int device_spec_check(Grpc__Device *const *devices, size_t n, struct err *err);

/*
 * Give the linux.devices of @spec with the devices' container_path, and the
 * control group rules for them, the numbers of @found[]; add a rule that
 * allows each; rewrite PCI addresses in the environment's PCIDEVICE_*.
 * -EINVAL for a device that @spec does not list, or lists for two requests.
 */
int device_spec_apply(Grpc__Spec *spec, Grpc__Device *const *devices, size_t n,
		      const struct device_found *found, struct err *err);

#endif
