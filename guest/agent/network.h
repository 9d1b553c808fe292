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

/* Whether all of @i's addresses are such: 0 or -EINVAL. Pure. */
int net_check_addresses(const Types__Interface *i, struct err *err);

/*
 * Give the link @index @i's addresses and take those away that are not among them;
 * the link's own of IPv6 stays. @nl: nl_open().
 */
int net_set_addresses(int nl, int index, const Types__Interface *i, struct err *err);

/*
 * Addresses of IPv6 on the link @name are usable at once: nobody else in the guest's
 * network can have them, for the pod's own interface has them. A kernel without IPv6
 * has nothing to turn off.
 */
void net_trust_addresses(const char *name);

/*
 * Give the link @at all that @i says and set it up. If @at is NULL it is the one whose
 * hardware address is @i's present one, or the one that it is to get, or else the one
 * with its name. Another link that has the name already gets the link's old one.
 * -ENODEV when there is no such link. A link that is as @i says goes on undisturbed.
 */
int net_update_interface(const Types__Interface *i, const char *at, struct err *err);

/*
 * Add or replace routes of the main table: first those without a gateway, which the
 * others need. With @all there are no others then but the kernel's own. Nothing is
 * touched when one of them is not understood or its link is not there.
 */
int net_update_routes(Types__Route *const *routes, size_t n, bool all, struct err *err);

/* Whether the agent's network is not the one that the first process is in. */
bool net_is_own(void);

/* Add or replace neighbours. */
int net_add_neighbors(Types__ARPNeighbor *const *list, size_t n, struct err *err);

/*
 * The links with their addresses, the routes of the main table. The caller
 * frees the elements by protobuf_c_message_free_unpacked() and the list by free().
 */
int net_list_interfaces(Types__Interface ***list, size_t *n, struct err *err);
int net_list_routes(Types__Route ***list, size_t *n, struct err *err);

#endif
