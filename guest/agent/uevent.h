/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's news of devices: NETLINK_KOBJECT_UEVENT. */
#ifndef AGENT_UEVENT_H
#define AGENT_UEVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "guest/agent/agent.h"

/* Parts of one message, "" where it has none; they point into it. */
struct uevent {
	const char *action, *devpath, *subsystem, *devname;
};

/*
 * Take apart the @len bytes of @msg, "ACTION@PATH" and then "KEY=VALUE", each
 * ended by a NUL. False for what is no such message, such as udev's own. Pure.
 */
bool uevent_parse(const char *msg, size_t len, struct uevent *e);

/* A non-blocking socket that becomes readable with the next event, or -errno. */
int uevent_open(void);

/* Read away what has come. True if there was anything. */
bool uevent_drain(int fd);

/*
 * Turn on memory that is plugged into the machine as soon as the kernel tells
 * of it, as the original does; the runtime need not ask. Failures are logged.
 */
void uevent_watch_memory(struct agent *agent);

#endif
