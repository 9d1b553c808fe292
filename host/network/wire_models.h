/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to join, for wire.c. */
#ifndef HOST_NETWORK_WIRE_MODELS_H
#define HOST_NETWORK_WIRE_MODELS_H

#include "host/network/wire.h"

/* Filters between the interface @e and the tap @index. */
int wire_tc(const struct net_wire *w, int nl, const struct net_endpoint *e, int index,
	    struct err *err);

/* A macvtap on @e. */
int wire_macvtap_open(const struct net_wire *w, const struct net_endpoint *e, unsigned first,
		      unsigned queues, struct net_tap *tap, struct err *err);

int wire_refuse_name(struct err *err);

#endif
