/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: their texts, and those of a link. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/netlink.h"
#include "guest/agent/network.h"

/* Those that say what an address is for; the others are the kernel's own affair. */
#define FLAGS_ALLOWED \
	(IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)

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

/* One that a link is to have. */
struct address {
	struct net_addr local, peer, broadcast; /* without the latter two: their length is 0 */
	uint32_t flags;
	uint8_t scope;
};

static int parse_same_family(const char *text, int family, struct net_addr *a)
{
	if (!*text)
		return 0;
	return net_addr_parse(text, a) < 0 || a->family != family ? -EINVAL : 0;
}

static int parse_address(const Types__IPAddress *ip, struct address *a, struct err *err)
{
	auto_free char *text = xasprintf("%s/%s", ip->address, ip->mask);

	*a = (struct address){ .flags = ip->flags & FLAGS_ALLOWED, .scope = (uint8_t)ip->scope };
	if (net_addr_parse(text, &a->local) < 0)
		return err_set(err, EINVAL, "\"%s\" is no address", text);
	if (parse_same_family(ip->peer, a->local.family, &a->peer) < 0)
		return err_set(err, EINVAL, "address %s: bad peer \"%s\"", text, ip->peer);
	if (parse_same_family(ip->broadcast, a->local.family, &a->broadcast) < 0)
		return err_set(err, EINVAL, "address %s: bad broadcast address \"%s\"", text,
			       ip->broadcast);
	return 0;
}

int net_check_addresses(const Types__Interface *i, struct err *err)
{
	struct address a;
	int r = 0;

	for (size_t k = 0; r == 0 && k < i->n_ipaddresses; k++)
		r = parse_address(i->ipaddresses[k], &a, err);
	return r;
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

void net_trust_addresses(const char *name)
{
	auto_free char *path = xasprintf("/proc/sys/net/ipv6/conf/%s/accept_dad", name);

	/* For the one that the link makes itself; the others say so one by one (IFA_F_NODAD). */
	(void)file_write_knob(path, "0", 1, NULL);
}

static int add_address(int nl, int index, const struct address *a)
{
	const struct net_addr *far = a->peer.len ? &a->peer : &a->local;
	struct ifaddrmsg h = { .ifa_index = (unsigned)index, .ifa_scope = a->scope };
	auto_str struct str m = STR_INIT;

	h.ifa_family = (uint8_t)a->local.family;
	h.ifa_prefixlen = a->peer.has_prefix ? a->peer.prefix : a->local.prefix;
	nl_begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &h, sizeof(h));
	nl_attr(&m, IFA_LOCAL, a->local.bytes, a->local.len);
	nl_attr(&m, IFA_ADDRESS, far->bytes, far->len);
	if (a->broadcast.len)
		nl_attr(&m, IFA_BROADCAST, a->broadcast.bytes, a->broadcast.len);
	nl_attr_u32(&m, IFA_FLAGS, a->flags | (h.ifa_family == AF_INET6 ? IFA_F_NODAD : 0));
	return nl_send(nl, &m, NULL, NULL);
}

/* What a link has already. */
struct present {
	int index;
	const struct address *wanted;
	size_t n;
	struct str stale; /* those to go: a header and two addresses each */
};

static bool is_wanted(const struct present *p, const struct ifaddrmsg *h, const uint8_t *local,
		      const uint8_t *far)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct address *a = &p->wanted[i];
		const struct net_addr *to = a->peer.len ? &a->peer : &a->local;
		uint8_t prefix = a->peer.has_prefix ? a->peer.prefix : a->local.prefix;

		if (a->local.family == h->ifa_family && prefix == h->ifa_prefixlen &&
		    !memcmp(a->local.bytes, local, a->local.len) &&
		    !memcmp(to->bytes, far, a->local.len))
			return true;
	}
	return false;
}

static int note_stale(const struct nlmsghdr *m, void *arg)
{
	const struct ifaddrmsg *h = NLMSG_DATA(m);
	uint16_t len = h->ifa_family == AF_INET6 ? 16 : 4;
	const struct rtattr *far = nl_find(m, sizeof(*h), IFA_ADDRESS, len);
	const struct rtattr *local = nl_find(m, sizeof(*h), IFA_LOCAL, len);
	struct present *p = arg;
	struct ifaddrmsg gone;

	if (!local)
		local = far;
	if (m->nlmsg_type != RTM_NEWADDR || (int)h->ifa_index != p->index || !far)
		return 0;
	/* The one that an interface of IPv6 makes itself: the pod's has made the same. */
	if (h->ifa_family == AF_INET6 && h->ifa_scope == RT_SCOPE_LINK)
		return 0;
	if (is_wanted(p, h, RTA_DATA(local), RTA_DATA(far)))
		return 0;
	gone = (struct ifaddrmsg){
		.ifa_family = h->ifa_family,
		.ifa_prefixlen = h->ifa_prefixlen,
		.ifa_index = h->ifa_index,
	};
	str_add(&p->stale, &gone, sizeof(gone));
	str_add(&p->stale, RTA_DATA(local), len);
	str_add(&p->stale, RTA_DATA(far), len);
	return 0;
}

static int remove_stale(int nl, const struct str *stale)
{
	size_t done = 0;
	int r = 0;

	while (r == 0 && done < stale->len) {
		const char *at = stale->data + done;
		auto_str struct str m = STR_INIT;
		struct ifaddrmsg h;
		size_t len;

		memcpy(&h, at, sizeof(h));
		len = h.ifa_family == AF_INET6 ? 16 : 4;
		nl_begin(&m, RTM_DELADDR, 0, &h, sizeof(h));
		nl_attr(&m, IFA_LOCAL, at + sizeof(h), len);
		nl_attr(&m, IFA_ADDRESS, at + sizeof(h) + len, len);
		done += sizeof(h) + 2 * len;
		r = nl_send(nl, &m, NULL, NULL);
		/* Those of a network go with its first one. */
		if (r == -EADDRNOTAVAIL)
			r = 0;
	}
	return r;
}

int net_set_addresses(int nl, int index, const Types__Interface *i, struct err *err)
{
	auto_free struct address *wanted = xcalloc(i->n_ipaddresses + 1, sizeof(*wanted));
	struct present p = { .index = index, .wanted = wanted, .n = i->n_ipaddresses };
	struct ifaddrmsg any = { .ifa_family = AF_UNSPEC };
	auto_str struct str m = STR_INIT;
	bool v6 = has_ipv6();
	int r = 0;

	for (size_t k = 0; r == 0 && k < p.n; k++)
		r = parse_address(i->ipaddresses[k], &wanted[k], err);
	if (r < 0)
		return r;
	nl_begin(&m, RTM_GETADDR, NLM_F_DUMP, &any, sizeof(any));
	r = nl_send(nl, &m, note_stale, &p);
	if (r == 0)
		r = remove_stale(nl, &p.stale);
	str_free(&p.stale);
	if (r < 0)
		return err_sys(err, r, "the addresses that it has");
	for (size_t k = 0; k < p.n; k++) {
		const Types__IPAddress *ip = i->ipaddresses[k];

		if (wanted[k].local.family == AF_INET6 && !v6) {
			log_info("address %s/%s: the guest has no IPv6", ip->address, ip->mask);
			continue;
		}
		r = add_address(nl, index, &wanted[k]);
		if (r < 0)
			return err_sys(err, r, "address %s/%s", ip->address, ip->mask);
	}
	return 0;
}
