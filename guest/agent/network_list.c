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
#include "guest/agent/route.h"

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
	const struct rtattr *far = nl_find(m, sizeof(*a), IFA_ADDRESS, 4);
	const struct rtattr *broadcast = nl_find(m, sizeof(*a), IFA_BROADCAST, 4);
	const struct rtattr *flags = nl_find(m, sizeof(*a), IFA_FLAGS, 4);
	struct links *links = arg;
	Types__IPAddress *new;

	if (!ip)
		ip = far;
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
		new->scope = a->ifa_scope;
		new->flags = flags ? *(const uint32_t *)RTA_DATA(flags) & IFA_F_NOPREFIXROUTE : 0;
		if (broadcast)
			new->broadcast = address_text(a->ifa_family, broadcast);
		if (far && far != ip && RTA_PAYLOAD(far) == RTA_PAYLOAD(ip) &&
		    memcmp(RTA_DATA(far), RTA_DATA(ip), RTA_PAYLOAD(ip)) != 0)
			new->peer = address_text(a->ifa_family, far);
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

static char *route_address(const struct net_addr *a)
{
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(a->family, a->bytes, text, sizeof(text)); /* "" then */
	return xstrdup(text);
}

static void add_one_route(struct routes *routes, const struct route *from)
{
	char device[IF_NAMESIZE] = "";
	Types__Route *r;

	routes->v = (Types__Route **)one_more(routes->v, &routes->n);
	r = routes->v[routes->n - 1] = xcalloc(1, sizeof(*r));
	types__route__init(r);
	r->family = from->family == AF_INET6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
	r->scope = from->scope;
	r->flags = from->flags;
	r->mtu = from->mtu;
	r->metric = from->metric;
	/* The usual one is what the original's clients know without a word. */
	r->type = from->type == RTN_UNICAST ? 0 : from->type;
	if (from->dest.len) {
		auto_free char *to = route_address(&from->dest);

		r->dest = xasprintf("%s/%u", to, from->dest.prefix);
	} else {
		/* The original's words for everywhere, which clients compare with. */
		r->dest = xstrdup(from->family == AF_INET6 ? "::1" : "0.0.0.0");
	}
	if (from->gateway.len)
		r->gateway = route_address(&from->gateway);
	if (from->source.len) {
		r->source = route_address(&from->source);
	} else if (from->from.len) {
		auto_free char *source = route_address(&from->from);

		r->source = xasprintf("%s/%u", source, from->from.prefix);
	}
	if (from->link && if_indextoname((unsigned)from->link, device))
		r->device = xstrdup(device);
}

static int add_route(const struct nlmsghdr *m, void *arg)
{
	auto_free struct route *found = NULL;
	size_t n = 0;

	route_from_kernel(m, &found, &n);
	for (size_t i = 0; i < n; i++)
		add_one_route(arg, &found[i]);
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
