/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's network, as the runtime copies it from the pod's. All of these
 * act on the network namespace of the agent.
 */
#ifndef AGENT_NETWORK_H
#define AGENT_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/agent.pb-c.h"

/* An address as netlink has it. */
struct net_addr {
	int family; /* AF_INET or AF_INET6 */
	uint8_t bytes[16];
	uint8_t len;	/* of bytes: 4 or 16 */
	uint8_t prefix; /* bits; all of them when none were given */
	bool has_prefix;
};

/* "10.0.0.1", "fd00::1/64" → *@a. 0 or -EINVAL. Pure. */
int net_addr_parse(const char *text, struct net_addr *a);

/* "02:42:ac:11:00:05" → @mac. 0 or -EINVAL. Pure. */
int net_mac_parse(const char *text, uint8_t mac[6]);

/*
 * Give the link @at, or if that is NULL the one with @i's hardware address, or
 * else the one with its name, all that @i says and set it up. Another link that has the name already gets the
 * link's old one. -ENODEV when there is no such link.
 */
int net_update_interface(const Types__Interface *i, const char *at, struct err *err);

/* Add or replace routes: first those without a gateway, which the others need. */
int net_update_routes(Types__Route *const *routes, size_t n, struct err *err);

/* Add or replace neighbours. */
int net_add_neighbors(Types__ARPNeighbor *const *list, size_t n, struct err *err);

/*
 * The links with their addresses, the routes of the main table. The caller
 * frees the elements by protobuf_c_message_free_unpacked() and the list by free().
 */
int net_list_interfaces(Types__Interface ***list, size_t *n, struct err *err);
int net_list_routes(Types__Route ***list, size_t *n, struct err *err);

#endif
