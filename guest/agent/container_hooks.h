/* SPDX-License-Identifier: Apache-2.0 */
/* When on a container's way its hooks run. */
#ifndef AGENT_CONTAINER_HOOKS_H
#define AGENT_CONTAINER_HOOKS_H

#include "guest/agent/container.h"

/* Its first process exists and is held: run what comes then and let it go on, or fail. */
void container_hooks_create(struct container *c);

/* Process @p runs: if it is the first, run what comes then. Answers @call in the end. */
void container_hooks_started(struct container *c, struct process *p, struct ttrpc_call *call);

/* It has ended and is being removed: then @done, whatever they say. */
void container_hooks_stopped(struct container *c, void (*done)(struct container *c));

#endif
