/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes both ways between two descriptors, until one of them ends. */
#ifndef AGENT_RELAY_H
#define AGENT_RELAY_H

#include "base/loop.h"

struct relay;

/*
 * Copy between @a and @b (borrowed, made non-blocking) with a bounded buffer
 * each way. When either has ended or failed, what was read from it is still
 * given to the other if that takes it at once; then @done is called, once,
 * from the loop, and the relay is gone.
 */
struct relay *relay_start(struct loop *loop, int a, int b, void (*done)(void *arg), void *arg);

/* Stop without a callback. *@r becomes NULL; NULL in it is allowed. */
void relay_stop(struct relay **r);

#endif
