/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* What somebody chose for an address; the rest is what became of it. */
#define CARRIED_FLAGS (IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR)

#define warn(plan, ...) strv_addf(&(plan)->warnings, __VA_ARGS__)

int net_model_parse(const char *name, enum net_model *model)
{
	static const struct {
		const char *name;
		enum net_model model;
	} models[] = {
		{ "none", NET_MODEL_NONE },
		{ "tcfilter", NET_MODEL_TC },
		{ "macvtap", NET_MODEL_MACVTAP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		if (strcmp(name, models[i].name) != 0)
			continue;
		*model = models[i].model;
		return 0;
	}
	return -EINVAL;
}

/* ---- links ---------------------------------------------------------------------- */

static bool is_our_tap(const struct net_link *l)
{
	return str_starts(l->name, "tap") && str_ends(l->name, NET_TAP_SUFFIX);
}

/* "tunl0", "sit0" and their like are in each namespace of some hosts, and nobody uses them. */
static bool is_idle(const struct net_link *l)
{
	return !(l->flags & IFF_UP) && l->n_addresses == 0;
}

/*
 * A tap that somebody holds open is a cable like any other: what he writes comes in there.
 * One that nobody holds is made for the machine.
 */
static bool is_taken(const struct net_link *l)
{
	return l->flags & IFF_RUNNING;
}

/* NULL: it is carried. "": nobody will miss it. Otherwise why not. */
static const char *why_not(const struct net_link *l)
{
	if ((l->flags & IFF_LOOPBACK) || is_our_tap(l))
		return "";
	if (l->type != ARPHRD_ETHER)
		return is_idle(l) ? "" : "it is not Ethernet";
	if (!l->has_mac)
		return "it has no hardware address";
	if (l->master)
		return "it is a port of another interface";
	return NULL;
}

static enum net_model model_of(const struct net_link *l, const struct net_wishes *w)
{
	if (!strcmp(l->kind, "macvtap"))
		return NET_MODEL_MACVTAP_SELF;
	if (!strcmp(l->kind, "tun") && !is_taken(l))
		return NET_MODEL_TAP;
	return w->whole && !*l->kind && *l->device ? NET_MODEL_PHYSICAL : w->model;
}

/* Kata's names: what has no kind is a device that the host has. */
static const char *type_of(const struct net_link *l)
{
	static const char *const types[] = { "veth", "macvlan", "macvtap", "ipvlan" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(l->kind, types[i]))
			return types[i];
	if (!strcmp(l->kind, "tun"))
		return l->queues > 1 ? "tuntap" : "tap";
	return *l->kind ? "veth" : "physical";
}

static Types__IPAddress *message_ip(const struct net_ip *ip)
{
	Types__IPAddress *a = xmalloc(sizeof(*a));

	*a = (Types__IPAddress)TYPES__IPADDRESS__INIT;
	a->family = ip->family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	a->address = net_ip_text(ip, false);
	a->mask = xasprintf("%u", ip->prefix);
	return a;
}

static bool in_prefix(const struct net_ip *ip, const struct net_ip *net)
{
	unsigned whole = net->prefix / 8, bits = net->prefix % 8;

	return ip->family == net->family && memcmp(ip->bytes, net->bytes, whole) == 0 &&
	       (bits == 0 || (ip->bytes[whole] ^ net->bytes[whole]) >> (8 - bits) == 0);
}

/*
 * An address brings a route to its network with it. Where the namespace has none, because
 * somebody took it away (the plug-in "ptp" does), the guest gets the address alone.
 */
static bool has_own_route(const struct net_view *v, const struct net_link *l,
			  const struct net_address *a)
{
	for (size_t i = 0; i < v->n_routes; i++) {
		const struct net_route *r = &v->routes[i];

		if (r->index == l->index && r->protocol == RTPROT_KERNEL &&
		    r->dst.family == a->ip.family && r->dst.prefix == a->ip.prefix &&
		    in_prefix(&a->ip, &r->dst))
			return true;
	}
	return false;
}

static bool is_host(const struct net_ip *ip)
{
	return ip->prefix == (ip->family == AF_INET6 ? 128 : 32);
}

static void add_addresses(const struct net_view *v, const struct net_link *l, Types__Interface *m)
{
	m->ipaddresses = xcalloc(l->n_addresses + 1, sizeof(*m->ipaddresses));
	for (size_t i = 0; i < l->n_addresses; i++) {
		const struct net_address *a = &l->addresses[i];
		Types__IPAddress *ip = message_ip(&a->ip);

		ip->flags = a->flags & CARRIED_FLAGS;
		ip->scope = a->scope;
		if (a->peer.family)
			ip->peer = net_ip_text(&a->peer, false);
		/* A link that is down has no such routes; the kernel makes none for one host. */
		if ((l->flags & IFF_UP) && !a->peer.family && !is_host(&a->ip) &&
		    !has_own_route(v, l, a))
			ip->flags |= IFA_F_NOPREFIXROUTE;
		m->ipaddresses[m->n_ipaddresses++] = ip;
	}
}

static Types__Interface *message_interface(const struct net_view *v, const struct net_link *l,
					   const char *type)
{
	Types__Interface *m = xmalloc(sizeof(*m));

	*m = (Types__Interface)TYPES__INTERFACE__INIT;
	m->device = xstrdup(l->name);
	m->name = xstrdup(l->name);
	m->mtu = l->mtu;
	m->hwaddr = net_mac_text(l->mac);
	m->type = xstrdup(type);
	m->raw_flags = l->flags & IFF_NOARP;
	add_addresses(v, l, m);
	return m;
}

static void add_link(const struct net_view *v, const struct net_link *l, const struct net_wishes *w,
		     struct net_plan *plan)
{
	const char *why = why_not(l);
	unsigned queues = w->queues < NET_QUEUES_MAX ? w->queues : NET_QUEUES_MAX;
	struct net_endpoint *e = &plan->endpoints[plan->n];

	if (why && *why)
		warn(plan, "interface %s (%s) is not carried: %s", l->name,
		     *l->kind ? l->kind : "of the host", why);
	if (why)
		return;
	plan->n++;
	e->index = l->index;
	memcpy(e->name, l->name, sizeof(e->name));
	e->type = type_of(l);
	e->model = model_of(l, w);
	memcpy(e->mac, l->mac, sizeof(e->mac));
	e->mtu = l->mtu;
	memcpy(e->bus, l->bus, sizeof(e->bus));
	memcpy(e->device, l->device, sizeof(e->device));
	e->all_groups = l->flags & IFF_ALLMULTI;
	/* A tap of others has the queues that it was made for. */
	e->queues = e->model == NET_MODEL_TAP && l->queues < queues ? l->queues : queues;
	if (e->queues == 0)
		e->queues = 1;
	e->interface = message_interface(v, l, e->type);
}

static const struct net_endpoint *endpoint_at(const struct net_plan *plan, int index)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->endpoints[i].index == index)
			return &plan->endpoints[i];
	return NULL;
}

/* Filters, and a macvtap, come before those who lie upon an interface. */
static void warn_of_stacks(const struct net_view *v, struct net_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct net_link *l = net_view_link(v, plan->endpoints[i].index);
		const struct net_endpoint *lower = endpoint_at(plan, l->lower);

		if (lower && lower != &plan->endpoints[i])
			warn(plan,
			     "interface %s: nothing comes in there, for all that comes in at %s, "
			     "which it lies upon, is the guest's",
			     l->name, lower->name);
	}
}

/* ---- routes ----------------------------------------------------------------------- */

/* NULL: it is carried. "": the guest has it by itself. Otherwise why not. */
static const char *why_no_route(const struct net_plan *plan, const struct net_view *v,
				const struct net_route *r)
{
	const struct net_link *l = net_view_link(v, r->index);

	if (r->protocol == RTPROT_KERNEL ||
	    (l && (l->flags & IFF_LOOPBACK) && r->type == RTN_UNICAST))
		return "";
	if (r->table != RT_TABLE_MAIN)
		return "it is in a table of policy routing";
	if (r->tos)
		return "it is for one type of service";
	if (r->encap)
		return "it puts packets into others";
	if (r->gateway.family && r->gateway.family != r->family)
		return "its gateway is of the other family";
	if (r->type == RTN_UNICAST && !endpoint_at(plan, r->index))
		return "its interface is not carried";
	switch (r->type) {
	case RTN_UNICAST:
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
	case RTN_THROW:
		return NULL;
	default:
		return "it is of a kind that is not known here";
	}
}

static char *describe(const struct net_route *r)
{
	auto_free char *dst = net_ip_text(&r->dst, true), *via = net_ip_text(&r->gateway, false);

	return xasprintf("route to %s%s%s", r->dst.family ? dst : "everywhere", *via ? " via " : "",
			 via);
}

static void set_ip(char **field, const struct net_ip *ip, bool prefix)
{
	if (ip->family)
		*field = net_ip_text(ip, prefix);
}

static Types__Route *message_route(const struct net_plan *plan, const struct net_route *r)
{
	const struct net_endpoint *e = endpoint_at(plan, r->index);
	Types__Route *m = xmalloc(sizeof(*m));

	*m = (Types__Route)TYPES__ROUTE__INIT;
	m->family = r->family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	set_ip(&m->dest, &r->dst, true);
	set_ip(&m->gateway, &r->gateway, false);
	/* With a length it chooses packets, without it is the address that they get. */
	if (r->from.family)
		set_ip(&m->source, &r->from, true);
	else
		set_ip(&m->source, &r->source, false);
	if (e && r->type == RTN_UNICAST)
		m->device = xstrdup(e->name);
	m->scope = r->scope;
	m->flags = r->flags & RTNH_F_ONLINK;
	m->mtu = r->mtu;
	m->metric = r->metric;
	m->type = r->type;
	return m;
}

static void add_routes(const struct net_view *v, struct net_plan *plan)
{
	unsigned elsewhere = 0;

	plan->routes = xcalloc(v->n_routes + 1, sizeof(*plan->routes));
	for (size_t i = 0; i < v->n_routes; i++) {
		const struct net_route *r = &v->routes[i];
		const char *why = why_no_route(plan, v, r);
		auto_free char *what = describe(r);

		/* There may be thousands of them. */
		if (why && r->table != RT_TABLE_MAIN && *why)
			elsewhere++;
		else if (why && *why)
			warn(plan, "%s is not carried: %s", what, why);
		if (why)
			continue;
		if (r->hops > 1)
			warn(plan, "%s: of its %u next hops the first is carried", what, r->hops);
		if (r->from.family && r->source.family)
			warn(plan, "%s: its source address is not carried", what);
		plan->routes[plan->n_routes++] = message_route(plan, r);
	}
	if (elsewhere > 0)
		warn(plan, "%u routes in tables of policy routing are not carried", elsewhere);
	if (v->foreign_rules > 0)
		warn(plan, "%u rules of policy routing are not carried", v->foreign_rules);
}

/* ---- neighbours ---------------------------------------------------------------------- */

static void add_neighbours(const struct net_view *v, struct net_plan *plan)
{
	plan->neighbours = xcalloc(v->n_neighbours + 1, sizeof(*plan->neighbours));
	for (size_t i = 0; i < v->n_neighbours; i++) {
		const struct net_neighbour *n = &v->neighbours[i];
		const struct net_endpoint *e = endpoint_at(plan, n->index);
		Types__ARPNeighbor *m;

		if (!e || !n->has_mac)
			continue;
		m = xmalloc(sizeof(*m));
		*m = (Types__ARPNeighbor)TYPES__ARPNEIGHBOR__INIT;
		m->toipaddress = message_ip(&n->ip);
		free(m->toipaddress->mask);
		m->toipaddress->mask = (char *)protobuf_c_empty_string;
		m->device = xstrdup(e->name);
		m->lladdr = net_mac_text(n->mac);
		m->state = n->state;
		m->flags = n->flags;
		plan->neighbours[plan->n_neighbours++] = m;
	}
}

void net_plan(const struct net_view *view, const struct net_wishes *wishes, struct net_plan *plan)
{
	*plan = (struct net_plan){ .n = 0 };
	plan->endpoints = xcalloc(view->n_links + 1, sizeof(*plan->endpoints));
	for (size_t i = 0; i < view->n_links; i++)
		add_link(view, &view->links[i], wishes, plan);
	warn_of_stacks(view, plan);
	add_routes(view, plan);
	add_neighbours(view, plan);
}

void net_plan_free(struct net_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->endpoints[i].interface)
			types__interface__free_unpacked(plan->endpoints[i].interface, NULL);
	for (size_t i = 0; i < plan->n_routes; i++)
		types__route__free_unpacked(plan->routes[i], NULL);
	for (size_t i = 0; i < plan->n_neighbours; i++)
		types__arpneighbor__free_unpacked(plan->neighbours[i], NULL);
	free(plan->endpoints);
	free(plan->routes);
	free(plan->neighbours);
	strv_free(&plan->warnings);
	*plan = (struct net_plan){ .n = 0 };
}

/* ---- what is kept -------------------------------------------------------------------------- */

static void *copy(const ProtobufCMessage *m)
{
	auto_free uint8_t *wire = xmalloc(protobuf_c_message_get_packed_size(m) + 1);

	return protobuf_c_message_unpack(m->descriptor, NULL, protobuf_c_message_pack(m, wire),
					 wire);
}

/* Of the interface @index (0: of each) with that name. */
static void append(struct net_plan *to, const struct net_plan *from, int index, const char *name)
{
	to->endpoints = xrealloc(to->endpoints, (to->n + from->n + 1) * sizeof(*to->endpoints));
	to->routes =
		xrealloc(to->routes, (to->n_routes + from->n_routes + 1) * sizeof(*to->routes));
	to->neighbours = xrealloc(to->neighbours, (to->n_neighbours + from->n_neighbours + 1) *
							  sizeof(*to->neighbours));
	for (size_t i = 0; i < from->n; i++) {
		if (index && from->endpoints[i].index != index)
			continue;
		to->endpoints[to->n] = from->endpoints[i];
		to->endpoints[to->n++].interface = copy(&from->endpoints[i].interface->base);
	}
	for (size_t i = 0; i < from->n_routes; i++)
		if (!name || !strcmp(from->routes[i]->device, name))
			to->routes[to->n_routes++] = copy(&from->routes[i]->base);
	for (size_t i = 0; i < from->n_neighbours; i++)
		if (!name || !strcmp(from->neighbours[i]->device, name))
			to->neighbours[to->n_neighbours++] = copy(&from->neighbours[i]->base);
}

void net_plan_keep(const struct net_plan *plan, int index, struct net_plan *kept)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->endpoints[i].index == index)
			append(kept, plan, index, plan->endpoints[i].name);
}

void net_plan_add(struct net_plan *plan, const struct net_plan *kept)
{
	append(plan, kept, 0, NULL);
}
