/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces, as descriptors. The process has one thread: it may be in another
 * namespace between two lines, and nothing else notices.
 */
#ifndef HOST_NETWORK_NETNS_H
#define HOST_NETWORK_NETNS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* What names a namespace for good, whatever path leads to it. */
struct netns_id {
	dev_t dev;
	ino_t ino;
};

/*
 * The namespace at @path: a descriptor, close-on-exec. -EINVAL for anything that is no
 * network namespace.
 */
int netns_open(const char *path, struct err *err);

/* A new one, in which nobody is: it lives as long as the descriptor. Its loopback is up. */
int netns_new(struct err *err);

int netns_identify(int netns, struct netns_id *id, struct err *err);

/* Whether @netns is the one that this process is in. */
bool netns_is_ours(int netns);

/*
 * Be in @netns (-1: stay) until netns_leave(), for which *@back is; no call in between.
 * To be unable to return would mean to act in a namespace of others: that aborts.
 */
int netns_enter(int netns, int *back, struct err *err);
void netns_leave(int *back);

/* A route socket (base/netlink.h) of @netns (-1: ours). */
int netns_netlink(int netns, struct err *err);

#endif
