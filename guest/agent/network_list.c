/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of the network, in the words of the protocol. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/netlink.h"
#include "guest/agent/network.h"

/* @list with room for one more; the new element is NULL. */
static void **one_more(void *list, size_t *n)
{
	void **v = xrealloc(list, (*n + 1) * sizeof(*v));

	v[(*n)++] = NULL;
	return v;
}

static char *address_text(int family, const struct rtattr *a)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (RTA_PAYLOAD(a) < (family == AF_INET6 ? 16 : 4))
		return xstrdup("");
	(void)inet_ntop(family, RTA_DATA(a), text, sizeof(text)); /* "" then */
	return xstrdup(text);
}

struct links {
	Types__Interface **v;
	int *index; /* of each */
	size_t n;
};

static int add_link(const struct nlmsghdr *m, void *arg)
{
	const struct ifinfomsg *i = NLMSG_DATA(m);
	const struct rtattr *name = nl_find(m, sizeof(*i), IFLA_IFNAME, 2);
	const struct rtattr *mac = nl_find(m, sizeof(*i), IFLA_ADDRESS, 6);
	const struct rtattr *mtu = nl_find(m, sizeof(*i), IFLA_MTU, 4);
	struct links *links = arg;
	Types__Interface *l;

	if (m->nlmsg_type != RTM_NEWLINK || !name)
		return 0;
	links->index = xrealloc(links->index, (links->n + 1) * sizeof(int));
	links->index[links->n] = i->ifi_index;
	links->v = (Types__Interface **)one_more(links->v, &links->n);
	l = links->v[links->n - 1] = xcalloc(1, sizeof(*l));
	types__interface__init(l);
	l->name = xstrndup(RTA_DATA(name), RTA_PAYLOAD(name));
	l->raw_flags = i->ifi_flags & IFF_NOARP;
	if (mtu)
		l->mtu = *(const uint32_t *)RTA_DATA(mtu);
	if (mac && RTA_PAYLOAD(mac) == 6) {
		const uint8_t *b = RTA_DATA(mac);

		l->hwaddr = xasprintf("%02X:%02X:%02X:%02X:%02X:%02X", b[0], b[1], b[2], b[3], b[4],
				      b[5]);
	}
	return 0;
}

static int add_link_address(const struct nlmsghdr *m, void *arg)
{
	const struct ifaddrmsg *a = NLMSG_DATA(m);
	/* Between two ends, "address" is the other one. */
	const struct rtattr *ip = nl_find(m, sizeof(*a), IFA_LOCAL, 4);
	struct links *links = arg;
	Types__IPAddress *new;

	if (!ip)
		ip = nl_find(m, sizeof(*a), IFA_ADDRESS, 4);
	if (m->nlmsg_type != RTM_NEWADDR || !ip)
		return 0;
	for (size_t i = 0; i < links->n; i++) {
		Types__Interface *l = links->v[i];

		if (links->index[i] != (int)a->ifa_index)
			continue;
		l->ipaddresses = (Types__IPAddress **)one_more(l->ipaddresses, &l->n_ipaddresses);
		new = l->ipaddresses[l->n_ipaddresses - 1] = xcalloc(1, sizeof(*new));
		types__ipaddress__init(new);
		new->family = a->ifa_family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
		new->address = address_text(a->ifa_family, ip);
		new->mask = xasprintf("%u", a->ifa_prefixlen);
	}
	return 0;
}

int net_list_interfaces(Types__Interface ***list, size_t *n, struct err *err)
{
	auto_str struct str m = STR_INIT, ma = STR_INIT;
	struct ifinfomsg links_of = { .ifi_family = AF_UNSPEC };
	struct ifaddrmsg addresses_of = { .ifa_family = AF_UNSPEC };
	auto_close int nl = nl_open(err);
	struct links links = { .n = 0 };
	int r = nl;

	if (nl >= 0) {
		nl_begin(&m, RTM_GETLINK, NLM_F_DUMP, &links_of, sizeof(links_of));
		r = nl_send(nl, &m, add_link, &links);
	}
	if (r == 0) {
		nl_begin(&ma, RTM_GETADDR, NLM_F_DUMP, &addresses_of, sizeof(addresses_of));
		r = nl_send(nl, &ma, add_link_address, &links);
	}
	free(links.index);
	*list = links.v;
	*n = links.n;
	return r < 0 ? err_sys(err, r, "list the links") : 0;
}

struct routes {
	Types__Route **v;
	size_t n;
};

static uint32_t mtu_of(const struct rtattr *metrics)
{
	const struct rtattr *a = RTA_DATA(metrics);
	int left = (int)RTA_PAYLOAD(metrics);

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == RTAX_MTU && RTA_PAYLOAD(a) >= 4)
			return *(const uint32_t *)RTA_DATA(a);
	return 0;
}

static int add_route(const struct nlmsghdr *m, void *arg)
{
	const struct rtmsg *h = NLMSG_DATA(m);
	const struct rtattr *dest = nl_find(m, sizeof(*h), RTA_DST, 4);
	const struct rtattr *gateway = nl_find(m, sizeof(*h), RTA_GATEWAY, 4);
	const struct rtattr *source = nl_find(m, sizeof(*h), RTA_PREFSRC, 4);
	const struct rtattr *metrics = nl_find(m, sizeof(*h), RTA_METRICS, 0);
	const struct rtattr *oif = nl_find(m, sizeof(*h), RTA_OIF, 4);
	char device[IF_NAMESIZE] = "";
	struct routes *routes = arg;
	Types__Route *r;

	if (m->nlmsg_type != RTM_NEWROUTE || h->rtm_table != RT_TABLE_MAIN)
		return 0;
	routes->v = (Types__Route **)one_more(routes->v, &routes->n);
	r = routes->v[routes->n - 1] = xcalloc(1, sizeof(*r));
	types__route__init(r);
	r->family = h->rtm_family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	r->scope = h->rtm_scope;
	r->mtu = metrics ? mtu_of(metrics) : 0;
	if (dest) {
		auto_free char *to = address_text(h->rtm_family, dest);

		r->dest = xasprintf("%s/%u", to, h->rtm_dst_len);
	} else {
		/* The original's words for everywhere, which clients compare with. */
		r->dest = xstrdup(h->rtm_family == AF_INET6 ? "::1" : "0.0.0.0");
	}
	if (gateway)
		r->gateway = address_text(h->rtm_family, gateway);
	if (source)
		r->source = address_text(h->rtm_family, source);
	if (oif && if_indextoname(*(const unsigned *)RTA_DATA(oif), device))
		r->device = xstrdup(device);
	return 0;
}

int net_list_routes(Types__Route ***list, size_t *n, struct err *err)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	auto_close int nl = nl_open(err);
	struct routes routes = { .n = 0 };
	int r = nl < 0 ? nl : 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		struct rtmsg h = { .rtm_family = families[i] };
		auto_str struct str m = STR_INIT;

		nl_begin(&m, RTM_GETROUTE, NLM_F_DUMP, &h, sizeof(h));
		r = nl_send(nl, &m, add_route, &routes);
		/* A kernel without IPv6. */
		if (families[i] == AF_INET6 && r == -EOPNOTSUPP)
			r = 0;
	}
	*list = routes.v;
	*n = routes.n;
	return r < 0 ? err_sys(err, r, "list the routes") : 0;
}
