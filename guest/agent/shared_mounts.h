/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs of one container have mounted, also in another of the sandbox
 * (CreateContainerRequest.shared_mounts; shared_mounts of Kata's Rust runtime).
 */
#ifndef AGENT_SHARED_MOUNTS_H
#define AGENT_SHARED_MOUNTS_H

#include "base/err.h"
#include "guest/agent/container.h"

/* The name that a pod's members know a container by, from its annotations; NULL: none. Owned. */
char *shared_mounts_name(const Grpc__Spec *spec);

/*
 * Bind what @req names into @c, whose first process waits in its own mount namespace, and
 * call @done, perhaps at once. A mount is awaited for 10 s in all; that of a container which
 * is not there, or that does not come, is left out with a warning, as in the original.
 * @c stays, and @req too, for CreateContainer is not answered yet.
 */
void shared_mounts_bind(struct container *c, const Grpc__CreateContainerRequest *req,
			void (*done)(struct container *c, const struct err *err));

#endif
