/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest follows its namespace. A round looks, then goes one step after the other until
 * nothing is left to do: interfaces that have gone, those that have come, what the agent
 * has to be told. One round at a time; what changes meanwhile makes another.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/sandbox/network_parts.h"

/* An engine makes an interface by a dozen changes, a few milliseconds apart. */
#define SETTLE_MS 30

struct waiter {
	struct list link;
	sandbox_done done;
	void *arg;
};

static void advance(struct network *net);

/* ---- looking --------------------------------------------------------------------------- */

static bool was_warned(const struct network *net, const char *what)
{
	for (size_t i = 0; i < net->warned.n; i++)
		if (!strcmp(net->warned.v[i], what))
			return true;
	return false;
}

int network_look(struct network *net, struct err *err)
{
	auto_net_view struct net_view view = { .links = NULL };
	int r = net_scan(net->netns, &view, err);

	if (r < 0)
		return r;
	net_plan_free(&net->plan);
	net_plan(&view, &net->wishes, &net->plan);
	free(net->failed);
	net->failed = xcalloc(net->plan.n + 1, sizeof(*net->failed));
	for (size_t i = 0; i < net->plan.warnings.n; i++) {
		const char *what = net->plan.warnings.v[i];

		if (was_warned(net, what))
			continue;
		strv_add(&net->warned, what);
		log_warn("sandbox %s: %s", net->sb->st->id, what);
	}
	return 0;
}

static struct net_endpoint *endpoint_of(const struct network *net, const struct nic *nic)
{
	for (size_t i = 0; nic->index && i < net->plan.n; i++)
		if (net->plan.endpoints[i].index == nic->index)
			return &net->plan.endpoints[i];
	return NULL;
}

static struct nic *nic_of(const struct network *net, const struct net_endpoint *e)
{
	for (size_t i = 0; i < net->n; i++)
		if (net->nics[i]->index == (e ? e->index : 0))
			return net->nics[i];
	return NULL;
}

/* ---- the end of a round ----------------------------------------------------------------- */

static void tell_waiters(struct network *net, const struct err *err)
{
	while (!list_empty(&net->waiters)) {
		struct waiter *w = container_of(net->waiters.next, struct waiter, link);

		list_del(&w->link);
		call_done(net->sb, err && err->code ? err : NULL, w->done, w->arg);
		free(w);
	}
}

static void begin_round(struct network *net);

static void end_round(struct network *net)
{
	struct err err = net->err;

	net->running = false;
	err_clear(&net->err);
	if (err.code == 0 && net->again) {
		begin_round(net);
		return;
	}
	if (err.code)
		log_warn("sandbox %s: network: %s", net->sb->st->id, err_msg(&err));
	tell_waiters(net, &err);
}

static void keep(struct network *net, const struct err *err)
{
	if (net->err.code == 0)
		net->err = *err;
}

/* ---- interfaces that have gone ------------------------------------------------------------ */

/* Its card is free for another, or is taken away. */
static void lose(struct network *net, struct nic *nic)
{
	log_info("sandbox %s: interface %s has gone", net->sb->st->id, nic->name);
	network_undo_link(net, nic->name);
	nic->index = 0;
}

static void on_unplugged(const struct err *err, void *arg)
{
	struct network *net = arg;

	for (size_t i = 0; i < net->n; i++) {
		struct nic *nic = net->nics[i];

		if (nic->index || !nic->plugged)
			continue;
		/* The guest holds on to it: then it is there for another. */
		nic->plugged = false;
		if (err) {
			keep(net, err);
		} else {
			network_undo_link(net, nic->tap.name);
			network_remove_nic(net, nic);
		}
		break;
	}
	advance(net);
}

static bool step_unplug(struct network *net)
{
	for (size_t i = 0; i < net->n; i++) {
		if (net->nics[i]->index || !net->nics[i]->plugged)
			continue;
		vm_unplug(net->sb->vm, net->nics[i]->id, on_unplugged, net);
		return true;
	}
	return false;
}

/* ---- interfaces that have come -------------------------------------------------------------- */

static void on_plugged(const struct err *err, const struct vm_place *place, void *arg)
{
	struct network *net = arg;
	/* The last one is the newest. */
	struct nic *nic = net->nics[net->n - 1];

	if (err) {
		for (size_t i = 0; i < net->plan.n; i++)
			if (net->plan.endpoints[i].index == nic->index)
				net->failed[i] = true;
		network_undo_link(net, nic->name);
		network_undo_link(net, nic->tap.name);
		network_remove_nic(net, nic);
		keep(net, err);
	} else {
		nic->plugged = true;
		if (place->type == VM_PLACE_PCI)
			memcpy(nic->place, place->at, sizeof(nic->place));
	}
	advance(net);
}

static int plug(struct network *net, const struct net_endpoint *e, struct err *err)
{
	struct nic *nic = network_add_nic(net);
	struct vm_dev dev;
	int r = network_open_nic(net, nic, e, err);

	if (r < 0) {
		network_undo_link(net, e->name);
		network_undo_link(net, nic->tap.name);
		network_remove_nic(net, nic);
		return r;
	}
	network_describe(nic, e->mtu, &dev);
	vm_plug(net->sb->vm, &dev, on_plugged, net);
	return 0;
}

static int use_spare(struct network *net, struct nic *nic, const struct net_endpoint *e,
		     struct err *err)
{
	int r;

	if (e->model != NET_MODEL_TC && e->model != NET_MODEL_NONE)
		return err_set(
			err, ENOTSUP,
			"interface %s: it has come after the boot, and the hypervisor cannot "
			"add one of its kind (%s) to a running machine",
			e->name, e->type);
	r = net_wire_join(&net->wire, e, &nic->tap, err);
	if (r < 0)
		network_undo_link(net, e->name);
	else
		network_take(nic, e);
	return r;
}

/* True: an answer is to come. */
static bool step_add(struct network *net)
{
	for (size_t i = 0; i < net->plan.n; i++) {
		const struct net_endpoint *e = &net->plan.endpoints[i];
		struct nic *spare = nic_of(net, NULL);
		struct err err = ERR_INIT;
		int r;

		if (net->failed[i] || nic_of(net, e))
			continue;
		log_info("sandbox %s: interface %s has come", net->sb->st->id, e->name);
		if (spare)
			r = use_spare(net, spare, e, &err);
		else if (net->sb->caps & HV_CAP_NET_HOTPLUG)
			r = plug(net, e, &err);
		else
			r = err_set(&err, ENOTSUP,
				    "interface %s: it has come after the boot, and hypervisor "
				    "\"%s\" cannot add it to a running machine",
				    e->name, net->sb->ops->name);
		if (r == 0 && !spare)
			return true;
		if (r < 0)
			net->failed[i] = true;
		/* It has gone since it was looked at. */
		if (r == -ENODEV)
			net->again = true;
		else if (r < 0)
			keep(net, &err);
	}
	return false;
}

/* ---- what the agent is told ---------------------------------------------------------------- */

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
		keep(net, err);
	advance(net);
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

static bool step_interfaces(struct network *net)
{
	for (size_t i = 0; i < net->n; i++) {
		struct nic *nic = net->nics[i];
		const struct net_endpoint *e = endpoint_of(net, nic);

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

static bool step_routes(struct network *net)
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

static bool step_neighbours(struct network *net)
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

/* ---- rounds ------------------------------------------------------------------------------- */

static bool is_alive(const struct sandbox *sb)
{
	return sb->vm && (sb->phase == PHASE_BOOTING || sb->phase == PHASE_RUNNING);
}

static void advance(struct network *net)
{
	if (!is_alive(net->sb)) {
		net->again = false;
		end_round(net);
		return;
	}
	if (step_unplug(net) || step_add(net) || step_interfaces(net) || step_routes(net) ||
	    step_neighbours(net))
		return;
	end_round(net);
}

static void begin_round(struct network *net)
{
	struct err err = ERR_INIT;

	net->again = false;
	net->running = true;
	/* What comes from now on is news. */
	(void)net_watch_take(net->watch);
	if (network_look(net, &err) < 0) {
		keep(net, &err);
		end_round(net);
		return;
	}
	net->settled = true;
	for (size_t i = 0; i < net->n; i++)
		if (net->nics[i]->index && !endpoint_of(net, net->nics[i]))
			lose(net, net->nics[i]);
	advance(net);
}

static void on_changed(void *arg)
{
	struct network *net = arg;

	if (net->running)
		net->again = true;
	else if (net->sb->phase == PHASE_RUNNING)
		begin_round(net);
	else
		net->settled = false; /* who asks next looks at it */
}

/* Without it what changes is found when somebody asks. */
static void watch(struct network *net)
{
	struct err err = ERR_INIT;

	net->watch = net_watch_new(net->sb->loop, net->netns, SETTLE_MS, on_changed, net, &err);
	if (!net->watch)
		log_warn("sandbox %s: %s", net->sb->st->id, err_msg(&err));
}

void network_sync(struct sandbox *sb, sandbox_done done, void *arg)
{
	struct network *net = sb->net;
	struct waiter *w;

	if (net && !net->watch)
		watch(net);
	if (!net || (net->settled && !net->running && net->watch && !net_watch_take(net->watch))) {
		done(NULL, arg);
		return;
	}
	w = xmalloc(sizeof(*w));
	*w = (struct waiter){ .done = done, .arg = arg };
	list_add_tail(&net->waiters, &w->link);
	if (net->running)
		net->again = true;
	else
		begin_round(net);
}

void network_end(struct sandbox *sb)
{
	if (!sb->net)
		return;
	net_watch_free(take_ptr(sb->net->watch));
	sb->net->running = false;
	tell_waiters(sb->net, &sb->why);
}
