/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/scan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/netlink.h"
#include "host/network/names.h"
#include "host/network/netns.h"

#define TUN_TYPE_TAP 2 /* IFLA_TUN_TYPE as IFF_TAP */

/* Room for one more behind @n of @size; in steps, as a node may hold thousands of routes. */
static void *grow(void *list, size_t n, size_t size)
{
	return n & (n - 1) ? list : xrealloc(list, (n ? 2 * n : 1) * size);
}

static uint32_t number(const struct rtattr *a)
{
	uint32_t v = 0;

	if (a)
		memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

static void copy_text(char *to, size_t size, const struct rtattr *a)
{
	snprintf(to, size, "%.*s", a ? (int)RTA_PAYLOAD(a) : 0, a ? (char *)RTA_DATA(a) : "");
}

static struct net_ip ip_of(const struct rtattr *a, uint8_t family, uint8_t prefix)
{
	size_t len = family == AF_INET6 ? 16 : 4;
	struct net_ip ip = { .family = family, .prefix = prefix };

	if (!a || RTA_PAYLOAD(a) < len || (family != AF_INET && family != AF_INET6))
		return (struct net_ip){ .family = 0 };
	memcpy(ip.bytes, RTA_DATA(a), len);
	return ip;
}

static bool take_mac(const struct rtattr *a, uint8_t mac[NET_MAC_LEN])
{
	if (!a || RTA_PAYLOAD(a) != NET_MAC_LEN)
		return false;
	memcpy(mac, RTA_DATA(a), NET_MAC_LEN);
	return true;
}

static void take_link(const struct nlmsghdr *m, struct net_view *v)
{
	const struct ifinfomsg *i = NLMSG_DATA(m);
	const struct rtattr *info = nl_find(m, sizeof(*i), IFLA_LINKINFO, 0);
	const struct rtattr *data = nl_find_in(info, IFLA_INFO_DATA, 0);
	const struct rtattr *tun = nl_find_in(data, IFLA_TUN_TYPE, 1);
	struct net_link *l;

	if (i->ifi_family != AF_UNSPEC || i->ifi_index <= 0)
		return;
	v->links = grow(v->links, v->n_links, sizeof(*l));
	l = &v->links[v->n_links++];
	*l = (struct net_link){ .index = i->ifi_index, .type = i->ifi_type, .flags = i->ifi_flags };
	copy_text(l->name, sizeof(l->name), nl_find(m, sizeof(*i), IFLA_IFNAME, 1));
	copy_text(l->kind, sizeof(l->kind), nl_find_in(info, IFLA_INFO_KIND, 1));
	copy_text(l->bus, sizeof(l->bus), nl_find(m, sizeof(*i), IFLA_PARENT_DEV_BUS_NAME, 1));
	copy_text(l->device, sizeof(l->device), nl_find(m, sizeof(*i), IFLA_PARENT_DEV_NAME, 1));
	l->master = (int)number(nl_find(m, sizeof(*i), IFLA_MASTER, 4));
	/* Of a pair each end names the other, which is beside it. */
	if (strcmp(l->kind, "veth") != 0 && !nl_find(m, sizeof(*i), IFLA_LINK_NETNSID, 4))
		l->lower = (int)number(nl_find(m, sizeof(*i), IFLA_LINK, 4));
	l->mtu = number(nl_find(m, sizeof(*i), IFLA_MTU, 4));
	l->queues = number(nl_find(m, sizeof(*i), IFLA_NUM_TX_QUEUES, 4));
	l->has_mac = take_mac(nl_find(m, sizeof(*i), IFLA_ADDRESS, 0), l->mac);
	l->tap = !strcmp(l->kind, "tun") && tun && *(uint8_t *)RTA_DATA(tun) == TUN_TYPE_TAP;
}

static struct net_link *find_link(const struct net_view *v, int index)
{
	for (size_t i = 0; i < v->n_links; i++)
		if (v->links[i].index == index)
			return &v->links[i];
	return NULL;
}

static void take_address(const struct nlmsghdr *m, struct net_view *v)
{
	const struct ifaddrmsg *i = NLMSG_DATA(m);
	const struct rtattr *local = nl_find(m, sizeof(*i), IFA_LOCAL, 4);
	const struct rtattr *address = nl_find(m, sizeof(*i), IFA_ADDRESS, 4);
	const struct rtattr *flags = nl_find(m, sizeof(*i), IFA_FLAGS, 4);
	struct net_link *l = find_link(v, (int)i->ifa_index);
	struct net_address a = { .scope = i->ifa_scope, .flags = i->ifa_flags };

	a.ip = ip_of(local ? local : address, i->ifa_family, i->ifa_prefixlen);
	if (!l || !a.ip.family)
		return;
	if (flags)
		a.flags = number(flags);
	if (local && address && memcmp(RTA_DATA(local), RTA_DATA(address), RTA_PAYLOAD(local)) != 0)
		a.peer = ip_of(address, i->ifa_family, i->ifa_prefixlen);
	l->addresses = grow(l->addresses, l->n_addresses, sizeof(a));
	l->addresses[l->n_addresses++] = a;
}

static void take_hop(const struct rtnexthop *hop, struct net_route *r)
{
	const struct rtattr *a = (const void *)RTNH_DATA(hop);
	int left = hop->rtnh_len - (int)sizeof(*hop);

	r->index = hop->rtnh_ifindex;
	r->flags |= hop->rtnh_flags;
	for (; left > 0 && RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == RTA_GATEWAY)
			r->gateway = ip_of(a, r->family, r->family == AF_INET6 ? 128 : 32);
}

/* Of several next hops the first, or the gateway of the other family that RTA_VIA has. */
static void take_hops(const struct rtattr *multi, const struct rtattr *via, struct net_route *r)
{
	const struct rtnexthop *hop;
	int left;

	r->hops = 1;
	if (via && RTA_PAYLOAD(via) >= 2 + 4) {
		const struct rtvia *gateway = RTA_DATA(via);
		size_t len = RTA_PAYLOAD(via) - sizeof(gateway->rtvia_family);

		if (len == (gateway->rtvia_family == AF_INET6 ? 16u : 4u)) {
			r->gateway.family = (uint8_t)gateway->rtvia_family;
			r->gateway.prefix = (uint8_t)(len * 8);
			memcpy(r->gateway.bytes, gateway->rtvia_addr, len);
		}
	}
	if (!multi)
		return;
	hop = RTA_DATA(multi);
	left = (int)RTA_PAYLOAD(multi);
	for (r->hops = 0;
	     left >= (int)sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left;
	     r->hops++) {
		if (r->hops == 0)
			take_hop(hop, r);
		left -= (int)RTNH_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
}

static void take_route(const struct nlmsghdr *m, struct net_view *v)
{
	const struct rtmsg *i = NLMSG_DATA(m);
	const struct rtattr *table = nl_find(m, sizeof(*i), RTA_TABLE, 4);
	const struct rtattr *metrics = nl_find(m, sizeof(*i), RTA_METRICS, 0);
	uint8_t full = i->rtm_family == AF_INET6 ? 128 : 32;
	struct net_route r = { .family = i->rtm_family,
			       .scope = i->rtm_scope,
			       .type = i->rtm_type,
			       .protocol = i->rtm_protocol,
			       .tos = i->rtm_tos,
			       .flags = i->rtm_flags,
			       .table = table ? number(table) : i->rtm_table };

	/* Those of addresses, which the kernel makes, and what it has learned for a while. */
	if (r.table == RT_TABLE_LOCAL || r.table == NAMES_TABLE || (i->rtm_flags & RTM_F_CLONED) ||
	    (r.family != AF_INET && r.family != AF_INET6))
		return;
	r.dst = ip_of(nl_find(m, sizeof(*i), RTA_DST, 4), r.family, i->rtm_dst_len);
	r.from = ip_of(nl_find(m, sizeof(*i), RTA_SRC, 4), r.family, i->rtm_src_len);
	r.gateway = ip_of(nl_find(m, sizeof(*i), RTA_GATEWAY, 4), r.family, full);
	r.source = ip_of(nl_find(m, sizeof(*i), RTA_PREFSRC, 4), r.family, full);
	r.metric = number(nl_find(m, sizeof(*i), RTA_PRIORITY, 4));
	r.mtu = number(nl_find_in(metrics, RTAX_MTU, 4));
	r.index = (int)number(nl_find(m, sizeof(*i), RTA_OIF, 4));
	r.encap = nl_find(m, sizeof(*i), RTA_ENCAP_TYPE, 0) != NULL;
	take_hops(nl_find(m, sizeof(*i), RTA_MULTIPATH, 0), nl_find(m, sizeof(*i), RTA_VIA, 0), &r);
	v->routes = grow(v->routes, v->n_routes, sizeof(r));
	v->routes[v->n_routes++] = r;
}

static void take_neighbour(const struct nlmsghdr *m, struct net_view *v)
{
	const struct ndmsg *i = NLMSG_DATA(m);
	uint8_t full = i->ndm_family == AF_INET6 ? 128 : 32;
	struct net_neighbour n = { .index = i->ndm_ifindex,
				   .state = i->ndm_state,
				   .flags = i->ndm_flags };

	n.ip = ip_of(nl_find(m, sizeof(*i), NDA_DST, 4), i->ndm_family, full);
	n.has_mac = take_mac(nl_find(m, sizeof(*i), NDA_LLADDR, 0), n.mac);
	/* Those that somebody wrote down; the others are found anew. */
	if (!n.ip.family || !(n.state & NUD_PERMANENT))
		return;
	v->neighbours = grow(v->neighbours, v->n_neighbours, sizeof(n));
	v->neighbours[v->n_neighbours++] = n;
}

static void take_rule(const struct nlmsghdr *m, struct net_view *v)
{
	const struct fib_rule_hdr *i = NLMSG_DATA(m);
	uint32_t at = number(nl_find(m, sizeof(*i), FRA_PRIORITY, 4));
	uint32_t table = number(nl_find(m, sizeof(*i), FRA_TABLE, 4));

	/* local, main, default; IPv6 has no default. And ours. */
	if (table != NAMES_TABLE && at != 0 && at != 32766 && at != 32767)
		v->foreign_rules++;
}

int net_view_take(const struct nlmsghdr *m, void *view)
{
	static const struct {
		uint16_t type;
		size_t header;
		void (*take)(const struct nlmsghdr *m, struct net_view *v);
	} takers[] = {
		{ RTM_NEWLINK, sizeof(struct ifinfomsg), take_link },
		{ RTM_NEWADDR, sizeof(struct ifaddrmsg), take_address },
		{ RTM_NEWROUTE, sizeof(struct rtmsg), take_route },
		{ RTM_NEWNEIGH, sizeof(struct ndmsg), take_neighbour },
		{ RTM_NEWRULE, sizeof(struct fib_rule_hdr), take_rule },
	};

	for (size_t i = 0; i < ARRAY_SIZE(takers); i++)
		if (m->nlmsg_type == takers[i].type &&
		    m->nlmsg_len >= NLMSG_LENGTH(takers[i].header))
			takers[i].take(m, view);
	return 0;
}

static int dump(int nl, uint16_t type, uint8_t family, size_t len, struct net_view *v)
{
	/* The family is the first byte of each of the headers. */
	uint8_t header[sizeof(struct rtmsg) + sizeof(struct ifinfomsg)] = { family };
	auto_str struct str m = STR_INIT;

	nl_begin(&m, type, NLM_F_DUMP, header, len);
	return nl_send(nl, &m, net_view_take, v);
}

int net_scan(int netns, struct net_view *view, struct err *err)
{
	auto_close int nl = netns_netlink(netns, err);
	int r = nl < 0 ? nl : 0;

	*view = (struct net_view){ .links = NULL };
	if (r < 0)
		return err_wrap(err, "cannot look into the network namespace");
	r = dump(nl, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), view);
	if (r == 0)
		r = dump(nl, RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg), view);
	/* AF_UNSPEC would be all families that there are. */
	for (int i = 0; r == 0 && i < 2; i++) {
		uint8_t family = i ? AF_INET6 : AF_INET;

		r = dump(nl, RTM_GETROUTE, family, sizeof(struct rtmsg), view);
		if (r == 0)
			r = dump(nl, RTM_GETNEIGH, family, sizeof(struct ndmsg), view);
		if (r == 0)
			r = dump(nl, RTM_GETRULE, family, sizeof(struct fib_rule_hdr), view);
		/* A kernel without IPv6, or without rules. */
		if (r == -EOPNOTSUPP || r == -EAFNOSUPPORT)
			r = 0;
	}
	if (r < 0) {
		net_view_free(view);
		return err_sys(err, r, "cannot look into the network namespace");
	}
	return 0;
}

void net_view_free(struct net_view *view)
{
	for (size_t i = 0; i < view->n_links; i++)
		free(view->links[i].addresses);
	free(view->links);
	free(view->routes);
	free(view->neighbours);
	*view = (struct net_view){ .links = NULL };
}

const struct net_link *net_view_link(const struct net_view *view, int index)
{
	return find_link(view, index);
}

char *net_ip_text(const struct net_ip *ip, bool prefix)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (ip->family)
		inet_ntop(ip->family, ip->bytes, text, sizeof(text));
	return prefix ? xasprintf("%s/%u", text, ip->prefix) : xstrdup(text);
}

char *net_mac_text(const uint8_t m[NET_MAC_LEN])
{
	return xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}
