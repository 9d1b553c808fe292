/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox of ours that a container is to live in, if any. */
#ifndef HOST_CLI_JOIN_H
#define HOST_CLI_JOIN_H

#include "base/err.h"
#include "host/sandbox/state.h"
#include "proto/oci.pb-c.h"

/*
 * Find the sandbox that container @id of @spec joins: the one that its annotations name, or
 * the one that owns a namespace whose path linux.namespaces has (network, ipc, uts or pid of
 * a living stand-in, and not this process's own). 0 and *@st, which the caller frees; NULL:
 * it gets a sandbox of its own. -ENOENT when a sandbox is named that is not there, -ESRCH for
 * one that has ended, -EINVAL when namespaces are those of two.
 */
int join_find(const char *root, const char *id, const Grpc__Spec *spec, struct sandbox_state **st,
	      struct err *err);

#endif
