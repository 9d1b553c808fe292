/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Cloud Hypervisor tells of its machine (--event-monitor): JSON objects, one behind the
 * other, {"source": "vm", "event": "rebooting", …}. It would boot a guest again that has
 * reset itself; a sandbox ends then.
 */
#ifndef HOST_HYPERVISOR_CLH_EVENTS_H
#define HOST_HYPERVISOR_CLH_EVENTS_H

#include "base/err.h"
#include "base/loop.h"

struct clh_events;

/* "vm", "booted". Not freed from within. */
typedef void (*clh_event_cb)(const char *source, const char *event, void *arg);

/*
 * Read @fd, taken over, to its end. What is no JSON ends it early, with a warning: nothing
 * depends on events alone. NULL and @err when it cannot be watched.
 */
struct clh_events *clh_events_new(struct loop *loop, int fd, clh_event_cb cb, void *arg,
				  struct err *err);

/* Read what is there now, for the last words of a monitor that has ended. NULL is allowed. */
void clh_events_drain(struct clh_events *ev);

/* NULL is allowed. */
void clh_events_free(struct clh_events *ev);

#endif
