/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent is told of the network: each thing when it is news, once in a round. What
 * an answer is missing for is news again in the next one, for nobody knows what the guest has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/sandbox/network_parts.h"

static void pack(const ProtobufCMessage *m, struct str *out)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	auto_free uint8_t *buf = xmalloc(n + 1);

	str_add(out, buf, protobuf_c_message_pack(m, buf));
}

static Types__Interface *unpack(const struct net_told *told)
{
	return types__interface__unpack(NULL, told->wire.len, (const uint8_t *)told->wire.data);
}

/* ---- one call after the other ------------------------------------------------------------- */

/* The guest's card is what it was told to be. */
static void settle(struct nic *nic)
{
	Types__Interface *m = unpack(&nic->told);

	(void)sscanf(m->hwaddr, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &nic->mac[0], &nic->mac[1],
		     &nic->mac[2], &nic->mac[3], &nic->mac[4], &nic->mac[5]);
	*nic->place = '\0';
	types__interface__free_unpacked(m, NULL);
}

static void on_told(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct network *net = arg;

	if (!rsp) {
		net->untold = true;
		network_keep(net, err);
	} else {
		net->telling->unsure = false;
		for (size_t i = 0; i < net->n; i++)
			if (&net->nics[i]->told == net->telling)
				settle(net->nics[i]);
	}
	network_advance(net);
}

static bool is_news(const struct network *net, const struct net_told *told,
		    const ProtobufCMessage *content, struct str *wire)
{
	pack(content, wire);
	return told->round != net->round &&
	       (told->unsure || told->wire.len != wire->len ||
		(wire->len > 0 && memcmp(told->wire.data, wire->data, wire->len) != 0));
}

/* Let it be known that @content has been said, by @req. */
static bool tell(struct network *net, struct net_told *told, const ProtobufCMessage *content,
		 const char *method, const ProtobufCMessage *req)
{
	auto_str struct str wire = STR_INIT;
	struct str old = told->wire;

	if (!is_news(net, told, content, &wire))
		return false;
	told->wire = wire;
	wire = old;
	told->round = net->round;
	told->unsure = true;
	net->telling = told;
	call_agent(net->sb, method, req, AGENT_CALL_MS, on_told, net);
	return true;
}

/* ---- what there is to tell ---------------------------------------------------------------- */

static bool tell_interface(struct network *net, struct nic *nic, const Types__Interface *m)
{
	Grpc__UpdateInterfaceRequest req = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	auto_free char *present = net_mac_text(nic->mac);
	Types__Interface now = *m;

	if (strcmp(present, m->hwaddr) != 0)
		now.presenthwaddr = present;
	else if (*nic->place)
		now.devicepath = nic->place;
	req.interface = &now;
	return tell(net, &nic->told, &m->base, "UpdateInterface", &req.base);
}

/* A card whose interface has gone keeps its name, and nothing else. */
static bool tell_idle(struct network *net, struct nic *nic)
{
	Types__Interface *bare;
	bool more;

	if (nic->told.wire.len == 0)
		return false;
	bare = unpack(&nic->told);
	for (size_t i = 0; i < bare->n_ipaddresses; i++)
		types__ipaddress__free_unpacked(bare->ipaddresses[i], NULL);
	bare->n_ipaddresses = 0;
	more = tell_interface(net, nic, bare);
	types__interface__free_unpacked(bare, NULL);
	return more;
}

bool network_tell_interfaces(struct network *net)
{
	for (size_t i = 0; i < net->n; i++) {
		struct nic *nic = net->nics[i];
		const struct net_endpoint *e = network_endpoint_of(net, nic);

		if (e ? tell_interface(net, nic, e->interface) : tell_idle(net, nic))
			return true;
	}
	return false;
}

bool network_tell_routes(struct network *net)
{
	Grpc__UpdateRoutesRequest req = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__Routes routes = GRPC__ROUTES__INIT;

	routes.routes = net->plan.routes;
	routes.n_routes = net->plan.n_routes;
	req.routes = &routes;
	/* The guest begins without any, as what was told does. */
	return tell(net, &net->told_routes, &routes.base, "UpdateRoutes", &req.base);
}

bool network_tell_neighbours(struct network *net)
{
	Grpc__AddARPNeighborsRequest req = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	Grpc__ARPNeighbors list = GRPC__ARPNEIGHBORS__INIT;

	list.arpneighbors = net->plan.neighbours;
	list.n_arpneighbors = net->plan.n_neighbours;
	req.neighbors = &list;
	/* They are added, and those that have gone stay. */
	return list.n_arpneighbors > 0 &&
	       tell(net, &net->told_neighbours, &list.base, "AddARPNeighbors", &req.base);
}
