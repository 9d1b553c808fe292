/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A macvtap that has the interface for itself ("passthru"): all frames to the interface's
 * hardware address are its own, so the guest has that address and all the interface's
 * others. These stay where they are: when the host answers who has one, too, it says the
 * same as the guest. So nothing has to be given back but the macvtap.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/network/device.h"
#include "host/network/netns.h"
#include "host/network/wire_models.h"

#define NAMES_MAX 256

static int explain(int r, struct err *err)
{
	if (r == -EOPNOTSUPP)
		return err_set(err, ENOTSUP,
			       "the kernel has no macvtap, which the model of that name needs");
	if (r == -EINVAL || r == -EBUSY)
		return err_set(
			err, EBUSY,
			"it is used by others (a macvlan, a bridge), so a macvtap cannot have "
			"it for itself");
	return err_sys(err, r, "cannot make a macvtap on it");
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
		r = device_add_macvtap(nl, tap->name, e->index);
		if (r < 0)
			w->journal->forget(w->journal->arg, entry);
	}
	return r < 0 ? explain(r, err) : 0;
}

int wire_macvtap_open(const struct net_wire *w, const struct net_endpoint *e, unsigned first,
		      unsigned queues, struct net_tap *tap, struct err *err)
{
	auto_close int nl = netns_netlink(w->netns, err);
	auto_free char *name = NULL;
	int r = nl < 0 ? nl : add(nl, w, e, first, tap, err), index;

	if (r < 0)
		return r;
	index = device_index(nl, tap->name);
	name = xstrdup(tap->name);
	return net_tap_open_macvtap(w->netns, name, index, queues, w->dir, tap, err);
}
