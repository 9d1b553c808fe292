/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a network namespace holds: its links with their addresses, its routes, its
 * neighbours. A view is data; the socket is only in net_scan().
 */
#ifndef HOST_NETWORK_SCAN_H
#define HOST_NETWORK_SCAN_H

#include <linux/netlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define NET_MAC_LEN 6

/* A kind of link ("veth") is as long as the kernel lets it be. */
#define NET_KIND_LEN 16

/* An address or a destination; family 0: there is none. */
struct net_ip {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t prefix;
	uint8_t bytes[16];
};

struct net_address {
	struct net_ip ip;
	struct net_ip peer; /* of a point-to-point link */
	uint8_t scope;
	uint32_t flags; /* IFA_F_* */
};

/* A name of a device ("0000:03:00.0"). */
#define NET_DEVICE_LEN 32

struct net_link {
	int index;
	int master; /* the link that it is a port of; 0: of none */
	int lower;  /* the one of this namespace that it lies upon; 0: on none */
	char name[IFNAMSIZ];
	char kind[NET_KIND_LEN]; /* "" for hardware and loopback */
	char bus[NET_KIND_LEN];	 /* of its device; "": it has none, or the kernel does not say */
	char device[NET_DEVICE_LEN];
	uint16_t type;	/* ARPHRD_* */
	unsigned flags; /* IFF_* */
	unsigned mtu;
	unsigned queues; /* for sending */
	bool has_mac;	 /* and it has six bytes */
	uint8_t mac[NET_MAC_LEN];
	bool tap; /* of the kind "tun" this is the one with frames */
	struct net_address *addresses;
	size_t n_addresses;
};

struct net_route {
	struct net_ip dst, from, gateway, source; /* dst of family 0: all of `family` */
	uint8_t family, scope, type, protocol, tos;
	uint32_t table, flags, metric, mtu;
	int index; /* of the link; 0: of none */
	unsigned
		hops; /* next hops; more than one is a path of several, of which the first is told */
	bool encap;   /* something is put around the packets */
};

struct net_neighbour {
	struct net_ip ip;
	int index;
	uint16_t state; /* NUD_* */
	uint8_t flags;	/* NTF_* */
	bool has_mac;
	uint8_t mac[NET_MAC_LEN];
};

struct net_view {
	struct net_link *links; /* in the order of their indexes */
	size_t n_links;
	struct net_route *routes; /* unicast and refused ones of all tables but the local one */
	size_t n_routes;
	struct net_neighbour *neighbours;
	size_t n_neighbours;
	unsigned foreign_rules; /* rules of policy routing that are not the kernel's three */
};

/* Look into @netns (-1: ours). @view is empty before, and after a failure. */
int net_scan(int netns, struct net_view *view, struct err *err);

/* Enter a message of a dump; what is not understood is left out. 0, for nl_send(). */
int net_view_take(const struct nlmsghdr *m, void *view);

void net_view_free(struct net_view *view);
#define auto_net_view __attribute__((cleanup(net_view_free)))

const struct net_link *net_view_link(const struct net_view *view, int index);

/* "10.0.0.1", with @prefix "10.0.0.0/8". The caller frees. */
char *net_ip_text(const struct net_ip *ip, bool prefix);
char *net_mac_text(const uint8_t mac[NET_MAC_LEN]);

#endif
