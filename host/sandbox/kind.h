/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container is to its pod, told by the annotations that container
 * engines set.
 */
#ifndef HOST_SANDBOX_KIND_H
#define HOST_SANDBOX_KIND_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/oci.pb-c.h"

enum kind {
	KIND_SINGLE,	/* no pod: a sandbox of its own */
	KIND_SANDBOX,	/* the first of a pod, for which the sandbox is made */
	KIND_CONTAINER, /* another one, in the sandbox of its pod */
};

/*
 * Tell the kind by the annotations of containerd's CRI plug-in, CRI-O (and
 * Podman) and dockershim. *@sandbox is the pod's sandbox ID for a
 * KIND_CONTAINER, valid as long as @spec, else NULL. -EINVAL and @err for a
 * value that is not known, or a container that does not name its sandbox.
 */
int kind_of(const Grpc__Spec *spec, enum kind *kind, const char **sandbox, struct err *err);

/* Whether a container with these annotations (key, value, …) names @sandbox as its pod. */
bool kind_is_member(const struct strv *annotations, const char *sandbox);

#endif
