/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that are served on the host's side of the pod's namespace. Where a container's
 * resolv.conf names a server of 127.0.0.0/8 (Docker's, on networks of the user's own) and
 * somebody there listens at that address, the agent takes the questions that are put to it in the guest, and they are put to that server
 * here; to no other. What that server asks others for goes by the guest, whose the interfaces are.
 */
#ifndef HOST_SANDBOX_NAMES_H
#define HOST_SANDBOX_NAMES_H

#include "host/sandbox/core.h"

/* Where container @spec's resolv.conf is on the host; NULL: it has none of the engine's. */
char *names_source(const Grpc__Spec *spec);

/*
 * See what the containers' files name by now, and serve that. What cannot be is told once, and
 * nothing else is different.
 */
void names_look(struct sandbox *sb);

/* The machine has ended. */
void names_end(struct sandbox *sb);

#endif
