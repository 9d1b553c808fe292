/* SPDX-License-Identifier: Apache-2.0 */
/* Containers that ran out of memory, and who wants to know. */
#ifndef AGENT_OOM_H
#define AGENT_OOM_H

#include "guest/agent/agent.h"

struct container;

/* Watch the container's group; without a memory controller there is nothing to watch. */
void oom_watch(struct container *c);
void oom_unwatch(struct container *c);

/* Answer @call (GetOOMEvent) with the next event, now or later. */
void oom_call(struct agent *agent, struct ttrpc_call *call);

#endif
