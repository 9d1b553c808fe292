/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container binds and only the agent can get, before its child is in a
 * user namespace: sources that lie where that namespace's root may not walk, and
 * those whose files belong to others inside than outside ("idmap", "ridmap",
 * uidMappings and gidMappings of the OCI specification's mounts), for which
 * mount_setattr(2) wants all rights over the file system.
 */
#ifndef AGENT_SOURCES_H
#define AGENT_SOURCES_H

#include "base/err.h"
#include "guest/agent/namespaces.h"
#include "proto/agent.pb-c.h"

/*
 * Copies of the sources of those mounts of @spec, and nodes for its devices where the container
 * cannot make them (in a user namespace), all attached nowhere, in *@sources: one for each
 * mount, then one for each device, -1 for the others; NULL when there are none.
 */
int sources_open(const Grpc__Spec *spec, const struct ns_plan *ns, int **sources, struct err *err);

/* How many there are of @spec. */
size_t sources_count(const Grpc__Spec *spec);

/* Close and free them all; @n is their number. NULL is allowed. */
void sources_done(int *sources, size_t n);

#endif
