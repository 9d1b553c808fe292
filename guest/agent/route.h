/* SPDX-License-Identifier: Apache-2.0 */
/* One route of the main table, as the protocol and as the kernel say it. */
#ifndef AGENT_ROUTE_H
#define AGENT_ROUTE_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "guest/agent/network.h"

/*
 * What two routes are compared by. What the kernel fills in when nobody says it is
 * filled in here as well (IPv6: metric 1024, no scope), so the same route is the same
 * from either side.
 */
struct route {
	int family; /* AF_INET or AF_INET6 */
	uint8_t type, scope;
	uint32_t flags;				     /* RTNH_F_ONLINK */
	struct net_addr dest, gateway, from, source; /* length 0: none. from: packets from there */
	int link;				     /* index; 0: none (a blackhole) */
	uint32_t metric, mtu;
};

/* @nl is asked for the link. -EINVAL, -ENODEV and the like, and @err names the route. */
int route_from_text(int nl, const Types__Route *text, struct route *r, struct err *err);

/*
 * Add the route that @m tells of to the @n of *@v, one for each gateway; nothing when it
 * is none of the main table. The caller frees *@v.
 */
void route_from_kernel(const struct nlmsghdr *m, struct route **v, size_t *n);

/* As a request for the kernel: RTM_NEWROUTE with these flags, RTM_DELROUTE. */
void route_request(const struct route *r, uint16_t type, uint16_t flags, struct str *m);

bool route_equal(const struct route *a, const struct route *b);

/* The kernel has one of them for a place, unless asked for more. */
bool route_same_place(const struct route *a, const struct route *b);

#endif
