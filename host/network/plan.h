/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a namespace goes to the guest, and how: pure, from a view to data. What cannot
 * be carried is named in a warning.
 */
#ifndef HOST_NETWORK_PLAN_H
#define HOST_NETWORK_PLAN_H

#include "host/network/scan.h"
#include "proto/types.pb-c.h"

/* Ours begin with "tap" and end so: what a scan finds by such a name is no interface. */
#define NET_TAP_SUFFIX "_kata"

#define NET_QUEUES_MAX 16

/* How an interface and the guest's are joined. */
enum net_model {
	NET_MODEL_NONE,	   /* there is a tap; what it is joined to is others' business */
	NET_MODEL_TC,	   /* filters redirect what comes in on either side to the other */
	NET_MODEL_MACVTAP, /* a macvtap on the interface, which gives its address to it */
	/* The interface is a tap itself. */
	NET_MODEL_TAP,
	NET_MODEL_MACVTAP_SELF, /* or a macvtap */
	/* Its device becomes the machine's (physical.h), and it is gone from the namespace. */
	NET_MODEL_PHYSICAL,
};

/* What the configuration wishes. */
struct net_wishes {
	enum net_model model; /* one of the first three */
	unsigned queues;      /* pairs, at most */
	bool whole;	      /* those of the host's devices are given away */
};

struct net_endpoint {
	int index; /* of the link */
	char name[IFNAMSIZ];
	const char *type; /* as the agent's protocol calls it: "veth" */
	enum net_model model;
	uint8_t mac[NET_MAC_LEN];
	unsigned mtu;
	unsigned queues;
	char bus[NET_KIND_LEN], device[NET_DEVICE_LEN]; /* with NET_MODEL_PHYSICAL */
	bool all_groups;	     /* it takes the frames of all multicast groups already */
	Types__Interface *interface; /* what the agent is told */
};

struct net_plan {
	struct net_endpoint *endpoints;
	size_t n;
	Types__Route **routes; /* all of them: what else the guest has is gone */
	size_t n_routes;
	Types__ARPNeighbor **neighbours;
	size_t n_neighbours;
	struct strv warnings;
};

void net_plan(const struct net_view *view, const struct net_wishes *wishes, struct net_plan *plan);
void net_plan_free(struct net_plan *plan);
#define auto_net_plan __attribute__((cleanup(net_plan_free)))

/*
 * The interface @index of @plan, with the routes and neighbours that are its, is given
 * away: remember it in @kept. What is kept is added to a later plan, whose view lacks it.
 */
void net_plan_keep(const struct net_plan *plan, int index, struct net_plan *kept);
void net_plan_add(struct net_plan *plan, const struct net_plan *kept);

/* The model of that name in a configuration; -EINVAL. */
int net_model_parse(const char *name, enum net_model *model);

#endif
