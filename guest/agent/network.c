/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/network.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/netlink.h"
#include "guest/agent/link.h"

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
	const struct rtattr *mtu = nl_find(m, sizeof(*i), IFLA_MTU, 4);
	struct search *s = arg;

	if (m->nlmsg_type != RTM_NEWLINK || s->found->index || !name)
		return 0;
	if (mac && RTA_PAYLOAD(mac) != 6)
		mac = NULL;
	if (s->name ? strcmp(RTA_DATA(name), s->name) :
		      !mac || memcmp(RTA_DATA(mac), s->mac, 6) || i->ifi_flags & IFF_LOOPBACK)
		return 0;
	s->found->index = i->ifi_index;
	s->found->flags = i->ifi_flags;
	s->found->mtu = mtu ? *(const uint32_t *)RTA_DATA(mtu) : 0;
	if (mac)
		memcpy(s->found->mac, RTA_DATA(mac), 6);
	strncpy(s->found->name, RTA_DATA(name), IFNAMSIZ - 1);
	return 0;
}

int link_find(int nl, const char *name, const uint8_t *mac, struct link *found)
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

static int set_down(int nl, const struct link *l)
{
	auto_str struct str m = STR_INIT;

	if (!(l->flags & IFF_UP))
		return 0;
	begin_link(&m, l->index, 0, IFF_UP);
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

static int find_by_address(int nl, const char *text, struct link *l, struct err *err)
{
	uint8_t mac[6];
	int r;

	if (net_mac_parse(text, mac) < 0)
		return err_set(err, EINVAL, "\"%s\" is no hardware address", text);
	r = link_find(nl, NULL, mac, l);
	return r < 0 && r != -ENODEV ? err_sys(err, r, "link %s", text) : r;
}

/* Which link is meant: where it sits, what its address is, what that will be, its name. */
static int find(int nl, const Types__Interface *i, const char *at, struct link *l, struct err *err)
{
	int r = -ENODEV;

	if (!at && *i->presenthwaddr)
		r = find_by_address(nl, i->presenthwaddr, l, err);
	if (!at && r == -ENODEV)
		r = find_by_address(nl, i->hwaddr, l, err);
	if (r != -ENODEV)
		return r;
	/* The machine was made from a template, or the device has an address of its own. */
	r = link_find(nl, at ? at : i->name, NULL, l);
	/* Kata's Go runtime tries again as long as it reads these words. */
	if (r == -ENODEV)
		return err_set(err, ENODEV, "Link not found (%s): %s", i->hwaddr, i->name);
	return r < 0 ? err_sys(err, r, "link %s (%s)", i->name, i->hwaddr) : 0;
}

/* The name @l is to have, free of the link that has it: @other gets the link's old one later. */
static int claim_name(int nl, const struct link *l, const char *name, struct link *other,
		      struct err *err)
{
	auto_free char *spare = xasprintf("kata%d", l->index);
	int r;

	*other = (struct link){ .index = 0 };
	if (!strcmp(l->name, name) || link_find(nl, name, NULL, other) < 0)
		return 0;
	r = set_down(nl, other);
	if (r == 0)
		r = rename_link(nl, other, spare, false);
	return r < 0 ? err_sys(err, r, "link %s: make room for its name", name) : 0;
}

/* Address, name, size and state. */
static int apply(int nl, const struct link *l, const Types__Interface *i, const uint8_t mac[6],
		 struct err *err)
{
	unsigned noarp = i->raw_flags & IFF_NOARP;
	auto_str struct str m = STR_INIT;
	struct link other;
	int r = claim_name(nl, l, i->name, &other, err);

	if (r < 0)
		return r;
	if (memcmp(l->mac, mac, 6)) {
		r = set_mac(nl, l->index, mac);
		if (r < 0)
			return err_sys(err, r, "link %s: hardware address %s", i->name, i->hwaddr);
	}
	begin_link(&m, l->index, IFF_UP | noarp, IFF_UP | IFF_NOARP);
	if (i->mtu && i->mtu != l->mtu)
		nl_attr_u32(&m, IFLA_MTU, (uint32_t)i->mtu);
	if (strcmp(l->name, i->name))
		nl_attr(&m, IFLA_IFNAME, i->name, strlen(i->name) + 1);
	r = nl_send(nl, &m, NULL, NULL);
	if (r < 0)
		return err_sys(err, r, "link %s", i->name);
	if (other.index)
		r = rename_link(nl, &other, l->name, other.flags & IFF_UP);
	return r < 0 ? err_sys(err, r, "link %s: rename it %s", i->name, l->name) : 0;
}

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IFNAMSIZ && !strpbrk(name, "/: \t\n\v\f\r") &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int net_update_interface(const Types__Interface *i, const char *at, struct err *err)
{
	auto_close int nl = -1;
	uint8_t mac[6];
	struct link l;
	int r;

	if (!is_name(i->name) || i->mtu > UINT32_MAX)
		return err_set(err, EINVAL, "link \"%s\": bad name or MTU", i->name);
	if (net_mac_parse(i->hwaddr, mac) < 0)
		return err_set(err, EINVAL, "\"%s\" is no hardware address", i->hwaddr);
	/* Before the link is touched: a bad request must not leave it down. */
	r = net_check_addresses(i, err);
	if (r < 0)
		return r;
	nl = nl_open(err);
	if (nl < 0)
		return nl;
	r = find(nl, i, at, &l, err);
	if (r < 0)
		return r;
	/* A link that is up cannot be renamed, nor does every one take an address; and with it
	 * its routes go. */
	if (strcmp(l.name, i->name) || memcmp(l.mac, mac, 6)) {
		r = set_down(nl, &l);
		if (r < 0)
			return err_sys(err, r, "link %s down", l.name);
	}
	if (!(l.flags & IFF_UP))
		net_trust_addresses(l.name);
	r = apply(nl, &l, i, mac, err);
	if (r < 0)
		return r;
	r = net_set_addresses(nl, l.index, i, err);
	return r < 0 ? err_wrap(err, "link %s", i->name) : 0;
}

bool net_is_own(void)
{
	struct stat own, first;

	/* Who may not look there has none of its own either. */
	return stat("/proc/self/ns/net", &own) == 0 && stat("/proc/1/ns/net", &first) == 0 &&
	       own.st_ino != first.st_ino;
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
	r = link_find(nl, n->device, NULL, &l);
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
