/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to the loopback of the pod's namespace go on in the guest: the agent makes
 * the other half of each, and calls to it carry what is said, both ways, one piece at a
 * time. So the side that is slow stops the other one, and what is held is bounded.
 */
#ifndef HOST_SANDBOX_LOOPBACK_H
#define HOST_SANDBOX_LOOPBACK_H

#include "host/sandbox/core.h"

/*
 * A container runs: from now on, or as soon as the agent has said that it can. An agent
 * that cannot, a kernel that cannot: one line says so, and nothing else is different. It is
 * the first call that counts.
 */
void loopback_begin(struct sandbox *sb);

/* The machine has ended: all are reset. */
void loopback_end(struct sandbox *sb);

#endif
