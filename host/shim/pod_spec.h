/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod as containerd's Sandbox service describes it (CreateSandbox: network namespace,
 * annotations, the kubelet's PodSandboxConfig), told in the words that the sandbox knows: the
 * specification of a first container, which is not there. Pure.
 */
#ifndef HOST_SHIM_POD_SPEC_H
#define HOST_SHIM_POD_SPEC_H

#include "base/err.h"
#include "base/str.h"
#include "proto/oci.pb-c.h"
#include "proto/sandbox.pb-c.h"

struct pod_plan {
	Grpc__Spec *spec;	/* what sandbox_boot() is given: no process, no root */
	struct str resolv_conf; /* what the pod's containers have as that; empty: nothing is said */
};

/*
 * Plan the pod of @req. @resolv_conf is where that file will lie, for the specification.
 * -EINVAL for options that are no PodSandboxConfig.
 */
int pod_plan(const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req,
	     const char *resolv_conf, struct pod_plan *plan, struct err *err);

/* It may be empty, and is afterwards. */
void pod_plan_free(struct pod_plan *plan);

/*
 * Give a member of the pod what containerd leaves to the shim here: the system-wide settings
 * of the pod, and /etc/resolv.conf as @resolv_conf where it has no such mount of its own.
 */
void pod_complete(const struct pod_plan *plan, const char *resolv_conf, Grpc__Spec *member);

#endif
