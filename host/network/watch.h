/* SPDX-License-Identifier: Apache-2.0 */
/* What changes in a network namespace. */
#ifndef HOST_NETWORK_WATCH_H
#define HOST_NETWORK_WATCH_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"

struct net_watch;

/*
 * Call @cb from the loop when links, addresses, routes or written-down neighbours of
 * @netns have changed: once for what comes in a burst, at most @delay_ms after its first
 * sign. NULL and @err.
 */
typedef void (*net_changed_cb)(void *arg);
struct net_watch *net_watch_new(struct loop *loop, int netns, int64_t delay_ms, net_changed_cb cb,
				void *arg, struct err *err);

/*
 * Whether something has changed since it was asked last, as of now: what the kernel has
 * said already counts. Nothing of it is told by @cb any more. NULL: true.
 */
bool net_watch_take(struct net_watch *watch);

/* NULL is allowed. */
void net_watch_free(struct net_watch *watch);

#endif
