/* SPDX-License-Identifier: Apache-2.0 */
/* The specification's linux.resources on their way into the control group. */
#ifndef AGENT_RESOURCES_H
#define AGENT_RESOURCES_H

#include "base/err.h"
#include "cgroup/cgroup.h"
#include "proto/oci.pb-c.h"

/* Set all limits of @res but the devices. 0 or -errno. */
int resources_limit(struct cgroup *cg, const Grpc__LinuxResources *res, struct err *err);

/*
 * The device rules of @spec, then those that every container gets (runc's): nodes
 * may be made, and the usual ones used. Without rules of its own a container may
 * also use the nodes that the specification lists. Returns their number or
 * -errno; the caller frees *@rules. Pure.
 */
int resources_device_rules(const Grpc__Linux *spec, struct cgroup_device_rule **rules,
			   struct err *err);

/*
 * Set them. A kernel without any means to do so is an error only when the
 * specification has rules.
 */
int resources_devices(struct cgroup *cg, const Grpc__Linux *spec, struct err *err);

/* What a running container gets: the limits, and the devices if @res has rules for them. */
int resources_update(struct cgroup *cg, const Grpc__LinuxResources *res, struct err *err);

#endif
