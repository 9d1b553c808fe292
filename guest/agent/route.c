/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/netlink.h"
#include "guest/agent/link.h"

#define METRIC_V6 1024 /* IP6_RT_PRIO_USER: what IPv6 makes of none */

/* Those that go nowhere: they have no link. */
static bool is_dead_end(unsigned type)
{
	return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT ||
	       type == RTN_THROW;
}

static void fill_in(struct route *r)
{
	/* Its scope is that of the address, and its dead ends are at the loopback device. */
	if (r->family == AF_INET6) {
		r->scope = RT_SCOPE_UNIVERSE;
		r->metric = r->metric ? r->metric : METRIC_V6;
	}
	if (is_dead_end(r->type)) {
		r->link = 0;
		r->scope = RT_SCOPE_UNIVERSE;
	}
}

static bool is_everywhere(const char *text)
{
	return !*text || !strcmp(text, "default") || !strcmp(text, "0.0.0.0") ||
	       !strcmp(text, "::");
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

/* All zeros with no bits says the same as nothing. */
static void drop_default(struct net_addr *dest)
{
	if (dest->prefix == 0)
		*dest = (struct net_addr){ .len = 0 };
}

static int parse_addresses(const Types__Route *text, struct route *r)
{
	int family = text->family == TYPES__IPFAMILY__v6 ? AF_INET6 : 0, any = 0;
	struct net_addr source = { .len = 0 };

	if (!is_everywhere(text->dest) && parse_part(text->dest, &family, &r->dest) < 0)
		return -EINVAL;
	if (strchr(text->dest, ':'))
		family = AF_INET6;
	drop_default(&r->dest);
	if (parse_part(text->source, &family, &source) < 0)
		return -EINVAL;
	/* With a length it chooses packets, without it is the address that they get. */
	*(source.has_prefix ? &r->from : &r->source) = source;
	if (parse_part(text->gateway, &any, &r->gateway) < 0 || r->gateway.has_prefix)
		return -EINVAL;
	if (!family)
		family = any && r->dest.len == 0 ? any : AF_INET;
	/* To IPv4 by a gateway of IPv6 is possible (RTA_VIA), the other way it is not. */
	if (any == AF_INET && family == AF_INET6)
		return -EINVAL;
	r->family = family;
	return 0;
}

int route_from_text(int nl, const Types__Route *text, struct route *r, struct err *err)
{
	auto_free char *what = xasprintf("route to \"%s\" via \"%s\" from \"%s\" at \"%s\"",
					 text->dest, text->gateway, text->source, text->device);
	struct link l;
	int e;

	memset(r, 0, sizeof(*r));
	if (text->type > RTN_MAX || text->scope > UINT8_MAX)
		return err_set(err, EINVAL, "%s: bad type or scope", what);
	r->type = text->type ? (uint8_t)text->type : RTN_UNICAST;
	r->scope = (uint8_t)text->scope;
	r->flags = text->flags & RTNH_F_ONLINK;
	r->metric = text->metric;
	r->mtu = text->mtu;
	if (parse_addresses(text, r) < 0)
		return err_set(err, EINVAL, "%s: bad address", what);
	if (!is_dead_end(r->type)) {
		e = link_find(nl, text->device, NULL, &l);
		if (e < 0)
			return err_sys(err, e, "%s", what);
		r->link = l.index;
	}
	fill_in(r);
	return 0;
}

static void take_address(const struct rtattr *a, int family, uint8_t prefix, struct net_addr *to)
{
	uint8_t len = family == AF_INET6 ? 16 : 4;

	if (!a || RTA_PAYLOAD(a) < len)
		return;
	*to = (struct net_addr){ .family = family, .len = len, .prefix = prefix };
	memcpy(to->bytes, RTA_DATA(a), len);
}

static void take_via(const struct rtattr *a, struct net_addr *to)
{
	const struct rtvia *via = RTA_DATA(a);

	*to = (struct net_addr){ .family = via->rtvia_family, .len = 16, .prefix = 128 };
	if (RTA_PAYLOAD(a) < sizeof(*via) + 16 || via->rtvia_family != AF_INET6)
		*to = (struct net_addr){ .len = 0 };
	else
		memcpy(to->bytes, via->rtvia_addr, 16);
}

static uint32_t u32_of(const struct rtattr *a)
{
	return a ? *(const uint32_t *)RTA_DATA(a) : 0;
}

static uint32_t mtu_of(const struct rtattr *metrics)
{
	const struct rtattr *a = metrics ? RTA_DATA(metrics) : NULL;
	int left = metrics ? (int)RTA_PAYLOAD(metrics) : 0;

	for (; left > 0 && RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == RTAX_MTU && RTA_PAYLOAD(a) >= 4)
			return *(const uint32_t *)RTA_DATA(a);
	return 0;
}

static void take_gateway(const struct rtattr *gateway, const struct rtattr *via, struct route *r)
{
	take_address(gateway, r->family, r->family == AF_INET6 ? 128 : 32, &r->gateway);
	if (via && r->gateway.len == 0)
		take_via(via, &r->gateway);
}

static void append(struct route **v, size_t *n, const struct route *r)
{
	*v = xrealloc(*v, (*n + 1) * sizeof(**v));
	(*v)[*n] = *r;
	fill_in(&(*v)[(*n)++]);
}

/* Each way of several with equal right. */
static void take_ways(const struct rtattr *ways, struct route *r, struct route **v, size_t *n)
{
	const struct rtnexthop *way = RTA_DATA(ways);
	size_t left = RTA_PAYLOAD(ways);

	while (left >= sizeof(*way) && way->rtnh_len >= sizeof(*way) && way->rtnh_len <= left) {
		const struct rtattr *a = RTNH_DATA(way), *gateway = NULL, *via = NULL;
		size_t step = RTNH_ALIGN(way->rtnh_len);
		int rest = (int)(way->rtnh_len - sizeof(*way));

		for (; rest > 0 && RTA_OK(a, rest); a = RTA_NEXT(a, rest)) {
			if (a->rta_type == RTA_GATEWAY)
				gateway = a;
			if (a->rta_type == RTA_VIA && RTA_PAYLOAD(a) >= sizeof(struct rtvia))
				via = a;
		}
		r->gateway = (struct net_addr){ .len = 0 };
		take_gateway(gateway, via, r);
		r->link = way->rtnh_ifindex;
		r->flags = way->rtnh_flags & RTNH_F_ONLINK;
		append(v, n, r);
		left -= step < left ? step : left;
		way = (const void *)((const char *)way + step);
	}
}

void route_from_kernel(const struct nlmsghdr *m, struct route **v, size_t *n)
{
	const struct rtmsg *h = NLMSG_DATA(m);
	const struct rtattr *ways = nl_find(m, sizeof(*h), RTA_MULTIPATH, sizeof(struct rtnexthop));
	uint8_t full = h->rtm_family == AF_INET6 ? 128 : 32;
	struct route r;

	if (m->nlmsg_type != RTM_NEWROUTE || h->rtm_table != RT_TABLE_MAIN ||
	    h->rtm_flags & RTM_F_CLONED)
		return;
	memset(&r, 0, sizeof(r));
	r.family = h->rtm_family;
	r.type = h->rtm_type;
	r.scope = h->rtm_scope;
	r.flags = h->rtm_flags & RTNH_F_ONLINK;
	take_address(nl_find(m, sizeof(*h), RTA_DST, 4), r.family, h->rtm_dst_len, &r.dest);
	take_address(nl_find(m, sizeof(*h), RTA_PREFSRC, 4), r.family, full, &r.source);
	take_address(nl_find(m, sizeof(*h), RTA_SRC, 4), r.family, h->rtm_src_len, &r.from);
	take_gateway(nl_find(m, sizeof(*h), RTA_GATEWAY, 4),
		     nl_find(m, sizeof(*h), RTA_VIA, sizeof(struct rtvia)), &r);
	r.link = (int)u32_of(nl_find(m, sizeof(*h), RTA_OIF, 4));
	r.metric = u32_of(nl_find(m, sizeof(*h), RTA_PRIORITY, 4));
	r.mtu = mtu_of(nl_find(m, sizeof(*h), RTA_METRICS, 0));
	if (ways)
		take_ways(ways, &r, v, n);
	else
		append(v, n, &r);
}

static void put_gateway(const struct route *r, struct str *m)
{
	struct {
		uint16_t family;
		uint8_t bytes[16];
	} via = { .family = (uint16_t)r->gateway.family };

	if (r->gateway.family == r->family) {
		nl_attr(m, RTA_GATEWAY, r->gateway.bytes, r->gateway.len);
		return;
	}
	memcpy(via.bytes, r->gateway.bytes, r->gateway.len);
	nl_attr(m, RTA_VIA, &via, sizeof(via.family) + r->gateway.len);
}

void route_request(const struct route *r, uint16_t type, uint16_t flags, struct str *m)
{
	struct rtmsg h = {
		.rtm_family = (uint8_t)r->family,
		.rtm_dst_len = r->dest.prefix,
		.rtm_src_len = r->from.prefix,
		.rtm_table = RT_TABLE_MAIN,
		/* 0: whoever made it. */
		.rtm_protocol = type == RTM_NEWROUTE ? RTPROT_BOOT : RTPROT_UNSPEC,
		.rtm_scope = r->scope,
		.rtm_type = r->type,
		.rtm_flags = r->flags,
	};
	auto_str struct str metrics = STR_INIT;

	nl_begin(m, type, flags, &h, sizeof(h));
	if (r->dest.len)
		nl_attr(m, RTA_DST, r->dest.bytes, r->dest.len);
	if (r->gateway.len)
		put_gateway(r, m);
	if (r->source.len)
		nl_attr(m, RTA_PREFSRC, r->source.bytes, r->source.len);
	if (r->from.len)
		nl_attr(m, RTA_SRC, r->from.bytes, r->from.len);
	if (r->link)
		nl_attr_u32(m, RTA_OIF, (uint32_t)r->link);
	if (r->metric)
		nl_attr_u32(m, RTA_PRIORITY, r->metric);
	if (r->mtu && type == RTM_NEWROUTE) {
		nl_attr_u32(&metrics, RTAX_MTU, r->mtu);
		nl_attr(m, RTA_METRICS, metrics.data, metrics.len);
	}
}

static bool same_address(const struct net_addr *a, const struct net_addr *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

static bool same_network(const struct net_addr *a, const struct net_addr *b)
{
	return same_address(a, b) && a->prefix == b->prefix;
}

bool route_same_place(const struct route *a, const struct route *b)
{
	return a->family == b->family && a->metric == b->metric &&
	       same_network(&a->dest, &b->dest) && same_network(&a->from, &b->from);
}

bool route_equal(const struct route *a, const struct route *b)
{
	return route_same_place(a, b) && a->type == b->type && a->scope == b->scope &&
	       a->flags == b->flags && a->link == b->link && a->mtu == b->mtu &&
	       same_address(&a->gateway, &b->gateway) && same_address(&a->source, &b->source);
}
