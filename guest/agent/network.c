/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/netlink.h"

int net_addr_parse(const char *text, struct net_addr *a)
{
	const char *slash = strchr(text, '/');
	auto_free char *ip = xstrndup(text, slash ? (size_t)(slash - text) : strlen(text));
	long long bits;

	*a = (struct net_addr){ .family = strchr(ip, ':') ? AF_INET6 : AF_INET };
	a->len = a->family == AF_INET6 ? 16 : 4;
	a->prefix = (uint8_t)(a->len * 8);
	if (inet_pton(a->family, ip, a->bytes) != 1)
		return -EINVAL;
	if (!slash)
		return 0;
	if (str_to_ll(slash + 1, 0, a->prefix, &bits) < 0)
		return -EINVAL;
	a->prefix = (uint8_t)bits;
	a->has_prefix = true;
	return 0;
}

int net_mac_parse(const char *text, uint8_t mac[6])
{
	unsigned m[6];
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5],
		   &end) != 6 ||
	    text[end])
		return -EINVAL;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)m[i];
	return 0;
}

struct link {
	int index;
	unsigned flags;
	char name[IFNAMSIZ];
};

struct search {
	const char *name; /* or, when it is NULL, */
	const uint8_t *mac;
	struct link *found;
};

static int match_link(const struct nlmsghdr *m, void *arg)
{
	const struct ifinfomsg *i = NLMSG_DATA(m);
	const struct rtattr *name = nl_find(m, sizeof(*i), IFLA_IFNAME, 2);
	const struct rtattr *mac = nl_find(m, sizeof(*i), IFLA_ADDRESS, 6);
	struct search *s = arg;

	if (m->nlmsg_type != RTM_NEWLINK || s->found->index || !name)
		return 0;
	if (s->name ? strcmp(RTA_DATA(name), s->name) :
		      !mac || RTA_PAYLOAD(mac) != 6 || memcmp(RTA_DATA(mac), s->mac, 6))
		return 0;
	s->found->index = i->ifi_index;
	s->found->flags = i->ifi_flags;
	strncpy(s->found->name, RTA_DATA(name), IFNAMSIZ - 1);
	return 0;
}

/* -ENODEV when there is none. */
static int find_link(int nl, const char *name, const uint8_t *mac, struct link *found)
{
	struct search s = { .name = name, .mac = mac, .found = found };
	struct ifinfomsg any = { .ifi_family = AF_UNSPEC };
	auto_str struct str m = STR_INIT;
	int r;

	*found = (struct link){ .index = 0 };
	nl_begin(&m, RTM_GETLINK, NLM_F_DUMP, &any, sizeof(any));
	r = nl_send(nl, &m, match_link, &s);
	return r < 0 ? r : found->index ? 0 : -ENODEV;
}

static void begin_link(struct str *m, int index, unsigned flags, unsigned change)
{
	struct ifinfomsg i = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = index,
		.ifi_flags = flags,
		.ifi_change = change,
	};

	nl_begin(m, RTM_NEWLINK, 0, &i, sizeof(i));
}

static int set_down(int nl, int index)
{
	auto_str struct str m = STR_INIT;

	begin_link(&m, index, 0, IFF_UP);
	return nl_send(nl, &m, NULL, NULL);
}

static int rename_link(int nl, const struct link *l, const char *name, bool up)
{
	auto_str struct str m = STR_INIT;

	begin_link(&m, l->index, up ? IFF_UP : 0, IFF_UP);
	nl_attr(&m, IFLA_IFNAME, name, strlen(name) + 1);
	return nl_send(nl, &m, NULL, NULL);
}

static int set_mac(int nl, int index, const uint8_t mac[6])
{
	auto_str struct str m = STR_INIT;

	begin_link(&m, index, 0, 0);
	nl_attr(&m, IFLA_ADDRESS, mac, 6);
	return nl_send(nl, &m, NULL, NULL);
}

/* A kernel without IPv6, or with it turned off, gets no such addresses. */
static bool has_ipv6(void)
{
	static const char *const knobs[] = { "/proc/sys/net/ipv6/conf/all/disable_ipv6",
					     "/proc/sys/net/ipv6/conf/default/disable_ipv6" };

	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
		auto_str struct str text = STR_INIT;

		if (file_read(knobs[i], 16, &text, NULL) == 0 && str_starts(str_text(&text), "0"))
			return true;
	}
	return false;
}

static int check_addresses(const Types__Interface *i, struct err *err)
{
	struct net_addr a;

	for (size_t k = 0; k < i->n_ipaddresses; k++) {
		const Types__IPAddress *ip = i->ipaddresses[k];
		auto_free char *text = xasprintf("%s/%s", ip->address, ip->mask);

		if (net_addr_parse(text, &a) < 0)
			return err_set(err, EINVAL, "\"%s\" is no address", text);
	}
	return 0;
}

static int add_address(int nl, int index, const Types__IPAddress *ip, struct err *err)
{
	auto_free char *text = xasprintf("%s/%s", ip->address, ip->mask);
	struct ifaddrmsg h = { .ifa_index = (unsigned)index };
	auto_str struct str m = STR_INIT;
	struct net_addr a;
	int r;

	r = net_addr_parse(text, &a);
	if (r < 0)
		return err_sys(err, r, "address %s", text);
	if (a.family == AF_INET6 && !has_ipv6())
		return 0;
	h.ifa_family = (uint8_t)a.family;
	h.ifa_prefixlen = a.prefix;
	nl_begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &h, sizeof(h));
	nl_attr(&m, IFA_LOCAL, a.bytes, a.len);
	nl_attr(&m, IFA_ADDRESS, a.bytes, a.len);
	r = nl_send(nl, &m, NULL, NULL);
	return r < 0 ? err_sys(err, r, "address %s", text) : 0;
}

static int find_or_adopt(int nl, const Types__Interface *i, const char *at, struct link *l,
			 struct err *err)
{
	uint8_t mac[6];
	int r;

	if (net_mac_parse(i->hwaddr, mac) < 0)
		return err_set(err, EINVAL, "\"%s\" is no hardware address", i->hwaddr);
	r = find_link(nl, NULL, mac, l);
	if (r == 0 && (!at || !strcmp(l->name, at)))
		return 0;
	if (r < 0 && r != -ENODEV)
		return err_sys(err, r, "link %s", i->hwaddr);
	/* The machine was made from a template, or the device has an address of its own. */
	r = find_link(nl, at ? at : i->name, NULL, l);
	/* Kata's Go runtime tries again as long as it reads these words. */
	if (r == -ENODEV)
		return err_set(err, ENODEV, "Link not found (%s): %s", i->hwaddr, i->name);
	if (r == 0)
		r = set_down(nl, l->index);
	if (r == 0)
		r = set_mac(nl, l->index, mac);
	return r < 0 ? err_sys(err, r, "link %s (%s)", i->name, i->hwaddr) : 0;
}

/* Name, size and state; @other had the name and gets the link's old one. */
static int apply(int nl, const struct link *l, const Types__Interface *i, struct err *err)
{
	auto_free char *spare = xasprintf("kata%d", l->index);
	unsigned noarp = i->raw_flags & IFF_NOARP;
	auto_str struct str m = STR_INIT;
	struct link other = { .index = 0 };
	int r;

	if (strcmp(l->name, i->name) && find_link(nl, i->name, NULL, &other) == 0) {
		r = set_down(nl, other.index);
		if (r == 0)
			r = rename_link(nl, &other, spare, false);
		if (r < 0)
			return err_sys(err, r, "link %s: make room for its name", i->name);
	}
	begin_link(&m, l->index, IFF_UP | noarp, IFF_UP | IFF_NOARP);
	if (i->mtu)
		nl_attr_u32(&m, IFLA_MTU, (uint32_t)i->mtu);
	nl_attr(&m, IFLA_IFNAME, i->name, strlen(i->name) + 1);
	r = nl_send(nl, &m, NULL, NULL);
	if (r < 0)
		return err_sys(err, r, "link %s", i->name);
	if (other.index)
		r = rename_link(nl, &other, l->name, other.flags & IFF_UP);
	return r < 0 ? err_sys(err, r, "link %s: rename it %s", i->name, l->name) : 0;
}

int net_update_interface(const Types__Interface *i, const char *at, struct err *err)
{
	auto_close int nl = -1;
	struct link l;
	int r;

	if (!*i->name || strlen(i->name) >= IFNAMSIZ || i->mtu > UINT32_MAX)
		return err_set(err, EINVAL, "link \"%s\": bad name or MTU", i->name);
	/* Before the link is touched: a bad request must not leave it down. */
	r = check_addresses(i, err);
	if (r < 0)
		return r;
	nl = nl_open(err);
	if (nl < 0)
		return nl;
	r = find_or_adopt(nl, i, at, &l, err);
	if (r < 0)
		return r;
	/* A link that is up cannot be renamed. */
	r = set_down(nl, l.index);
	if (r < 0)
		return err_sys(err, r, "link %s down", l.name);
	for (size_t k = 0; k < i->n_ipaddresses; k++) {
		r = add_address(nl, l.index, i->ipaddresses[k], err);
		if (r < 0)
			return r;
	}
	return apply(nl, &l, i, err);
}

static void add_source(struct str *m, struct rtmsg *h, const struct net_addr *source)
{
	/* With a length it chooses packets, without it is the address that they get. */
	if (source->has_prefix) {
		h->rtm_src_len = source->prefix;
		nl_attr(m, RTA_SRC, source->bytes, source->len);
	} else {
		nl_attr(m, RTA_PREFSRC, source->bytes, source->len);
	}
}

static int parse_part(const char *text, int *family, struct net_addr *a)
{
	if (!*text)
		return 0;
	if (net_addr_parse(text, a) < 0 || (*family && *family != a->family))
		return -EINVAL;
	*family = a->family;
	return 0;
}

static int add_route(int nl, const Types__Route *route, struct err *err)
{
	auto_free char *what = xasprintf("route to \"%s\" via \"%s\" from \"%s\" at \"%s\"",
					 route->dest, route->gateway, route->source, route->device);
	struct net_addr dest = { .len = 0 }, gateway = { .len = 0 }, source = { .len = 0 };
	struct rtmsg h = { .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT };
	int family = route->family == TYPES__IPFAMILY__v6 ? AF_INET6 : 0, r;
	auto_str struct str m = STR_INIT, metrics = STR_INIT;
	struct link l;

	if (parse_part(route->dest, &family, &dest) < 0 ||
	    parse_part(route->gateway, &family, &gateway) < 0 ||
	    parse_part(route->source, &family, &source) < 0)
		return err_set(err, EINVAL, "%s: bad address", what);
	r = find_link(nl, route->device, NULL, &l);
	if (r < 0)
		return err_sys(err, r, "%s", what);
	h.rtm_family = (uint8_t)(family ? family : AF_INET);
	h.rtm_type = RTN_UNICAST;
	h.rtm_scope = (uint8_t)route->scope;
	h.rtm_flags = route->flags;
	h.rtm_dst_len = dest.prefix;
	nl_begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &h, sizeof(h));
	if (dest.len)
		nl_attr(&m, RTA_DST, dest.bytes, dest.len);
	if (gateway.len)
		nl_attr(&m, RTA_GATEWAY, gateway.bytes, gateway.len);
	if (source.len)
		add_source(&m, (struct rtmsg *)(void *)(m.data + NLMSG_HDRLEN), &source);
	nl_attr_u32(&m, RTA_OIF, (uint32_t)l.index);
	if (route->mtu) {
		nl_attr_u32(&metrics, RTAX_MTU, route->mtu);
		nl_attr(&m, RTA_METRICS, metrics.data, metrics.len);
	}
	r = nl_send(nl, &m, NULL, NULL);
	return r < 0 && r != -EEXIST ? err_sys(err, r, "%s", what) : 0;
}

int net_update_routes(Types__Route *const *routes, size_t n, struct err *err)
{
	auto_close int nl = nl_open(err);
	int r = nl < 0 ? nl : 0;

	for (int gateways = 0; gateways < 2; gateways++)
		for (size_t i = 0; r == 0 && i < n; i++)
			if (!!*routes[i]->gateway == gateways)
				r = add_route(nl, routes[i], err);
	return r;
}

static int add_neighbor(int nl, const Types__ARPNeighbor *n, struct err *err)
{
	const char *to = n->toipaddress ? n->toipaddress->address : "";
	struct ndmsg h = { .ndm_type = RTN_UNICAST };
	auto_str struct str m = STR_INIT;
	struct net_addr a;
	struct link l;
	uint8_t mac[6];
	int r;

	if (net_addr_parse(to, &a) < 0 || a.has_prefix)
		return err_set(err, EINVAL, "neighbour \"%s\": no address", to);
	if (*n->lladdr && net_mac_parse(n->lladdr, mac) < 0)
		return err_set(err, EINVAL, "neighbour %s: \"%s\" is no hardware address", to,
			       n->lladdr);
	r = find_link(nl, n->device, NULL, &l);
	if (r < 0)
		return err_sys(err, r, "neighbour %s at \"%s\"", to, n->device);
	h.ndm_family = (uint8_t)a.family;
	h.ndm_ifindex = l.index;
	h.ndm_state = (uint16_t)(n->state ? n->state : NUD_PERMANENT);
	h.ndm_flags = (uint8_t)n->flags;
	nl_begin(&m, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &h, sizeof(h));
	nl_attr(&m, NDA_DST, a.bytes, a.len);
	if (*n->lladdr)
		nl_attr(&m, NDA_LLADDR, mac, sizeof(mac));
	r = nl_send(nl, &m, NULL, NULL);
	return r < 0 ? err_sys(err, r, "neighbour %s at %s", to, n->device) : 0;
}

int net_add_neighbors(Types__ARPNeighbor *const *list, size_t n, struct err *err)
{
	auto_close int nl = nl_open(err);
	int r = nl < 0 ? nl : 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_neighbor(nl, list[i], err);
	return r;
}
