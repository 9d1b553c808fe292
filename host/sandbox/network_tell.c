/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent is told of the network: each thing when it is news. */
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

static bool same(const Types__Interface *a, const Types__Interface *b)
{
	auto_str struct str x = STR_INIT, y = STR_INIT;

	if (!a || !b)
		return a == b;
	pack(&a->base, &x);
	pack(&b->base, &y);
	return x.len == y.len && (x.len == 0 || memcmp(x.data, y.data, x.len) == 0);
}

static Types__Interface *copy(const Types__Interface *m)
{
	auto_str struct str wire = STR_INIT;

	pack(&m->base, &wire);
	return types__interface__unpack(NULL, wire.len, (const uint8_t *)wire.data);
}

static void on_told(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct network *net = arg;

	if (!rsp)
		network_keep(net, err);
	network_advance(net);
}

static void tell_interface(struct network *net, struct nic *nic, const Types__Interface *m)
{
	Grpc__UpdateInterfaceRequest req = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	auto_free char *present = net_mac_text(nic->mac);
	Types__Interface now = *m;

	/* Whether that worked or not: it is not said twice. */
	if (nic->told)
		types__interface__free_unpacked(nic->told, NULL);
	nic->told = copy(m);
	if (strcmp(present, m->hwaddr) != 0)
		now.presenthwaddr = present;
	else if (*nic->place)
		now.devicepath = nic->place;
	req.interface = &now;
	call_agent(net->sb, "UpdateInterface", &req.base, AGENT_CALL_MS, on_told, net);
	(void)sscanf(m->hwaddr, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &nic->mac[0], &nic->mac[1],
		     &nic->mac[2], &nic->mac[3], &nic->mac[4], &nic->mac[5]);
	*nic->place = '\0';
}

/* A card whose interface has gone keeps its name, and nothing else. */
static bool tell_idle(struct network *net, struct nic *nic)
{
	Types__Interface *bare;

	if (!nic->told || nic->told->n_ipaddresses == 0)
		return false;
	bare = copy(nic->told);
	for (size_t i = 0; i < bare->n_ipaddresses; i++)
		types__ipaddress__free_unpacked(bare->ipaddresses[i], NULL);
	bare->n_ipaddresses = 0;
	tell_interface(net, nic, bare);
	types__interface__free_unpacked(bare, NULL);
	return true;
}

bool network_tell_interfaces(struct network *net)
{
	for (size_t i = 0; i < net->n; i++) {
		struct nic *nic = net->nics[i];
		const struct net_endpoint *e = network_endpoint_of(net, nic);

		if (!e && tell_idle(net, nic))
			return true;
		if (!e || same(nic->told, e->interface))
			continue;
		tell_interface(net, nic, e->interface);
		return true;
	}
	return false;
}

/* Whether @wire is other than what was said last; then it is what was said. */
static bool is_news(struct str *told, struct str *wire)
{
	struct str old = *told;

	if (old.len == wire->len && (old.len == 0 || memcmp(old.data, wire->data, old.len) == 0))
		return false;
	*told = *wire;
	*wire = old;
	return true;
}

bool network_tell_routes(struct network *net)
{
	Grpc__UpdateRoutesRequest req = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__Routes routes = GRPC__ROUTES__INIT;
	auto_str struct str wire = STR_INIT;

	routes.routes = net->plan.routes;
	routes.n_routes = net->plan.n_routes;
	req.routes = &routes;
	pack(&req.base, &wire);
	/* The guest begins without any. */
	if ((net->told_routes.len == 0 && net->plan.n_routes == 0) ||
	    !is_news(&net->told_routes, &wire))
		return false;
	call_agent(net->sb, "UpdateRoutes", &req.base, AGENT_CALL_MS, on_told, net);
	return true;
}

bool network_tell_neighbours(struct network *net)
{
	Grpc__AddARPNeighborsRequest req = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	Grpc__ARPNeighbors list = GRPC__ARPNEIGHBORS__INIT;
	auto_str struct str wire = STR_INIT;

	list.arpneighbors = net->plan.neighbours;
	list.n_arpneighbors = net->plan.n_neighbours;
	req.neighbors = &list;
	pack(&req.base, &wire);
	if (net->plan.n_neighbours == 0 || !is_news(&net->told_neighbours, &wire))
		return false;
	call_agent(net->sb, "AddARPNeighbors", &req.base, AGENT_CALL_MS, on_told, net);
	return true;
}
