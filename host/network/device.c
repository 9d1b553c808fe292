/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/device.h"

#include <errno.h>
#include <linux/if_link.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/netlink.h"

static void begin_link(struct str *m, uint16_t type, uint16_t flags, int index, unsigned up)
{
	const struct ifinfomsg i = { .ifi_index = index, .ifi_flags = up, .ifi_change = up };

	nl_begin(m, type, flags, &i, sizeof(i));
}

static void add_text(struct str *m, uint16_t type, const char *text)
{
	nl_attr(m, type, text, strlen(text) + 1);
}

static int take_index(const struct nlmsghdr *m, void *arg)
{
	const struct ifinfomsg *i = NLMSG_DATA(m);

	if (m->nlmsg_type == RTM_NEWLINK && m->nlmsg_len >= NLMSG_LENGTH(sizeof(*i)))
		*(int *)arg = i->ifi_index;
	return 0;
}

int device_index(int nl, const char *name)
{
	auto_str struct str m = STR_INIT;
	int index = 0, r;

	begin_link(&m, RTM_GETLINK, 0, 0, 0);
	add_text(&m, IFLA_IFNAME, name);
	r = nl_send(nl, &m, take_index, &index);
	return r < 0 ? r : index > 0 ? index : -ENODEV;
}

int device_remove(int nl, const char *name)
{
	auto_str struct str m = STR_INIT;

	begin_link(&m, RTM_DELLINK, 0, 0, 0);
	add_text(&m, IFLA_IFNAME, name);
	return nl_send(nl, &m, NULL, NULL);
}

/* Before it is up: then it is too late. */
static int silence(int nl, int index, unsigned mtu)
{
	auto_str struct str m = STR_INIT;
	const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
	size_t spec, inet6;
	int r;

	begin_link(&m, RTM_NEWLINK, 0, index, 0);
	if (mtu)
		nl_attr_u32(&m, IFLA_MTU, mtu);
	spec = nl_nest(&m, IFLA_AF_SPEC);
	inet6 = nl_nest(&m, AF_INET6);
	nl_attr(&m, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
	nl_nest_end(&m, inet6);
	nl_nest_end(&m, spec);
	r = nl_send(nl, &m, NULL, NULL);
	if (r != -EAFNOSUPPORT)
		return r;
	/* Without IPv6 there is nothing to be silent about. */
	m.len = spec;
	return nl_send(nl, &m, NULL, NULL);
}

int device_raise_silent(int nl, int index, unsigned mtu)
{
	int r = silence(nl, index, mtu);

	return r < 0 ? r : device_raise(nl, index);
}

int device_raise(int nl, int index)
{
	auto_str struct str m = STR_INIT;

	begin_link(&m, RTM_NEWLINK, 0, index, IFF_UP);
	return nl_send(nl, &m, NULL, NULL);
}

int device_take_groups(int nl, int index, bool all)
{
	const struct ifinfomsg i = { .ifi_index = index,
				     .ifi_flags = all ? IFF_ALLMULTI : 0,
				     .ifi_change = IFF_ALLMULTI };
	auto_str struct str m = STR_INIT;

	nl_begin(&m, RTM_NEWLINK, 0, &i, sizeof(i));
	return nl_send(nl, &m, NULL, NULL);
}

int device_add_macvtap(int nl, const char *name, int lower)
{
	auto_str struct str m = STR_INIT;
	size_t info, data;

	begin_link(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0);
	add_text(&m, IFLA_IFNAME, name);
	nl_attr_u32(&m, IFLA_LINK, (uint32_t)lower);
	info = nl_nest(&m, IFLA_LINKINFO);
	add_text(&m, IFLA_INFO_KIND, "macvtap");
	data = nl_nest(&m, IFLA_INFO_DATA);
	nl_attr_u32(&m, IFLA_MACVLAN_MODE, MACVLAN_MODE_PASSTHRU);
	nl_nest_end(&m, data);
	nl_nest_end(&m, info);
	return nl_send(nl, &m, NULL, NULL);
}
