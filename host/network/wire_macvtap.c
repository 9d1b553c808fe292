/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A macvtap on the interface. Two links on one cable cannot have the same address, and
 * who is to be found by the guest's addresses is the guest: the interface gets another
 * hardware address and loses the rest, and gets it all back at the end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "host/network/device.h"
#include "host/network/netns.h"
#include "host/network/wire_models.h"

#define NAMES_MAX 256

static bool parse_ip(const char *text, struct net_ip *ip)
{
	const char *slash = strchr(text, '/');
	auto_free char *host = xstrndup(text, slash ? (size_t)(slash - text) : strlen(text));
	long long prefix;

	*ip = (struct net_ip){ .family = strchr(host, ':') ? AF_INET6 : AF_INET };
	if (!slash || inet_pton(ip->family, host, ip->bytes) != 1 ||
	    str_to_ll(slash + 1, 0, ip->family == AF_INET6 ? 128 : 32, &prefix) < 0)
		return false;
	ip->prefix = (uint8_t)prefix;
	return true;
}

static char *make_entry(const struct net_endpoint *e)
{
	auto_str struct str out = STR_INIT;
	const Types__Interface *m = e->interface;

	str_printf(&out, "address %s %s", e->name, m->hwaddr);
	for (size_t i = 0; i < m->n_ipaddresses; i++)
		str_printf(&out, " %s/%s", m->ipaddresses[i]->address, m->ipaddresses[i]->mask);
	return str_take(&out);
}

/* Call @fn for the addresses in @list. */
static int each_address(int nl, int index, const char *list,
			int (*fn)(int nl, int index, const struct net_ip *ip))
{
	auto_free char *copy = xstrdup(list);
	char *save = NULL;
	int first = 0;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		struct net_ip ip;
		int r = parse_ip(w, &ip) ? fn(nl, index, &ip) : 0;

		if (r < 0 && r != -EADDRNOTAVAIL && first == 0)
			first = r;
	}
	return first;
}

int wire_macvtap_undo(int nl, const char *name, const char *rest)
{
	int index = device_index(nl, name), end = 0, r;
	uint8_t mac[NET_MAC_LEN];

	if (index < 0)
		return index;
	if (sscanf(rest, " %2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
		   &mac[3], &mac[4], &mac[5], &end) != NET_MAC_LEN)
		return -EINVAL;
	r = device_set_mac(nl, index, mac);
	return r < 0 ? r : each_address(nl, index, rest + end, device_add_address);
}

static int give_away(int nl, const struct net_endpoint *e, const char *entry, struct err *err)
{
	uint8_t other[NET_MAC_LEN];
	int r;

	if (getrandom(other, sizeof(other), 0) != sizeof(other))
		return err_sys(err, errno, "random numbers");
	other[0] = (uint8_t)((other[0] & 0xfc) | 0x02); /* of one station, and nobody's */
	r = device_set_mac(nl, e->index, other);
	if (r == 0)
		/* Behind "address NAME MAC". */
		r = each_address(nl, e->index, strchr(strchr(entry, ' ') + 1, ' ') + 1,
				 device_remove_address);
	return r < 0 ? err_sys(err, r, "cannot take its addresses for the guest") : 0;
}

static int add(int nl, const struct net_wire *w, const struct net_endpoint *e, unsigned first,
	       struct net_tap *tap, struct err *err)
{
	int r = -EEXIST;

	for (unsigned i = first; r == -EEXIST && i < first + NAMES_MAX; i++) {
		auto_free char *entry = xasprintf("link tap%u" NET_TAP_SUFFIX, i);

		snprintf(tap->name, sizeof(tap->name), "%s", strchr(entry, ' ') + 1);
		r = w->journal->note(w->journal->arg, entry, err);
		if (r < 0)
			return r;
		r = device_add_macvtap(nl, tap->name, e->index, e->mac);
		if (r < 0)
			w->journal->forget(w->journal->arg, entry);
	}
	if (r == -EOPNOTSUPP)
		return err_set(err, ENOTSUP,
			       "the kernel has no macvtap, which the model of that name needs");
	return r < 0 ? err_sys(err, r, "cannot make a macvtap on it") : 0;
}

int wire_macvtap_open(const struct net_wire *w, const struct net_endpoint *e, unsigned first,
		      unsigned queues, struct net_tap *tap, struct err *err)
{
	auto_close int nl = netns_netlink(w->netns, err);
	auto_free char *entry = make_entry(e), *name = NULL;
	int r = nl < 0 ? nl : w->journal->note(w->journal->arg, entry, err), index;

	if (r == 0)
		r = give_away(nl, e, entry, err);
	if (r == 0)
		r = add(nl, w, e, first, tap, err);
	if (r < 0)
		return r;
	index = device_index(nl, tap->name);
	name = xstrdup(tap->name);
	return net_tap_open_macvtap(w->netns, name, index, queues, w->dir, tap, err);
}
