/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of a pod's namespace, as it asks for names. A server there (Docker's) asks
 * others by the pod's interfaces, whose frames are the guest's: no answer would ever reach it.
 * So what programs of this side send to port 53 of anybody is routed to its loopback, for us.
 */
#ifndef HOST_NETWORK_NAMES_H
#define HOST_NETWORK_NAMES_H

#include <stdbool.h>

#include "dns/front.h"
#include "host/network/wire.h"

/* The table of routes that is for this alone: "kata". */
#define NAMES_TABLE 0x6b617461

/*
 * Sockets that get such questions in @netns, and the routes that lead to them, which net_undo()
 * takes away. 0 or -errno: nothing was done.
 */
int net_names_open(int netns, const struct net_journal *journal, struct dns_sockets *s,
		   struct err *err);

/* Whether somebody in @netns serves names at @server, of 127.0.0.0/8. */
bool net_names_served(int netns, struct in_addr server);

/* A socket in @netns to ask with (dns/ask.h), or -errno. */
int net_names_socket(int netns, bool tcp);

/* Add the routes by a route socket, or take them away, whatever there is of them. */
int names_route(int nl, bool add);

#endif
