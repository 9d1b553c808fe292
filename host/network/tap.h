/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's end of an interface: a tap, or a macvtap that is opened like one. */
#ifndef HOST_NETWORK_TAP_H
#define HOST_NETWORK_TAP_H

#include "host/network/plan.h"

struct net_tap {
	char name[IFNAMSIZ];
	int fds[NET_QUEUES_MAX];   /* one for each pair of queues */
	int vhost[NET_QUEUES_MAX]; /* the kernel's own movers of packets, if there are */
	bool has_vhost;
	unsigned n; /* 0: it stays without, for who opens it by name */
};

/*
 * Make the tap @name in @netns with @queues, or open the one that is there (@exists).
 * @stays: it outlives its descriptors, of which there are none then. -EBUSY: there is
 * one of that name.
 */
int net_tap_open(int netns, const char *name, unsigned queues, bool exists, bool stays,
		 struct net_tap *tap, struct err *err);

/* Open the macvtap @name of @netns; @dir is a directory to mount on for a moment. */
int net_tap_open_macvtap(int netns, const char *name, int index, unsigned queues, const char *dir,
			 struct net_tap *tap, struct err *err);

/* Open one of vhost-net for each pair of queues; -errno where the host has none. */
int net_tap_open_vhost(struct net_tap *tap);

void net_tap_close(struct net_tap *tap);

#endif
