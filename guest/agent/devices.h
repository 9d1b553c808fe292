/* SPDX-License-Identifier: Apache-2.0 */
/* The device nodes and links in a container's /dev: OCI runtime-spec config-linux.md. */
#ifndef AGENT_DEVICES_H
#define AGENT_DEVICES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "proto/oci.pb-c.h"

/* -EINVAL when the kernel has no such number: it would cut it, and make another device's. */
int device_number(const Grpc__LinuxDevice *d, dev_t *number, struct err *err);

/*
 * Make the default devices, those of the specification and the usual links
 * below the root directory @root. @userns: nodes cannot be made, so @sources, those of
 * sources_open() for the devices (or NULL), are bound, and else the agent's own.
 */
int devices_make(int root, const Grpc__Linux *linux_spec, bool userns, const int *sources,
		 struct err *err);

#endif
