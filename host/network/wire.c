/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/wire.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/network/device.h"
#include "host/network/names.h"
#include "host/network/netns.h"
#include "host/network/physical.h"
#include "host/network/wire_models.h"

#define NAMES_MAX 256

/* ---- the machine's end ----------------------------------------------------------------- */

static int open_new(const struct net_wire *w, const char *name, unsigned queues,
		    struct net_tap *tap, struct err *err)
{
	auto_free char *entry = xasprintf("link %s", name);
	int r = w->by_name ? w->journal->note(w->journal->arg, entry, err) : 0;

	if (r < 0)
		return r;
	r = net_tap_open(w->netns, name, queues, false, w->by_name, tap, err);
	/* Another's of that name is to be left alone. */
	if (r < 0 && w->by_name)
		w->journal->forget(w->journal->arg, entry);
	return r;
}

static int open_tap(const struct net_wire *w, unsigned first, unsigned queues, struct net_tap *tap,
		    struct err *err)
{
	int r = -EBUSY;

	for (unsigned i = first; r == -EBUSY && i < first + NAMES_MAX; i++) {
		auto_free char *name = xasprintf("tap%u" NET_TAP_SUFFIX, i);

		err_clear(err);
		r = open_new(w, name, queues, tap, err);
	}
	return r;
}

int net_wire_give(const struct net_wire *w, const struct net_endpoint *e, struct physical *p,
		  struct err *err)
{
	auto_free char *entry = NULL;
	int r = physical_find("/sys", e->bus, e->device, p, err);

	if (r < 0)
		return r;
	entry = physical_entry(p);
	r = w->journal->note(w->journal->arg, entry, err);
	if (r < 0)
		return r;
	r = physical_take("/sys", p, err);
	if (r < 0)
		w->journal->forget(w->journal->arg, entry);
	return r;
}

int net_wire_open(const struct net_wire *w, const struct net_endpoint *e, unsigned first,
		  unsigned queues, struct net_tap *tap, struct err *err)
{
	int r;

	*tap = (struct net_tap){ .n = 0 };
	if (!e)
		return open_tap(w, first, queues, tap, err);
	switch (e->model) {
	case NET_MODEL_TAP:
		r = net_tap_open(w->netns, e->name, queues, true, w->by_name, tap, err);
		break;
	case NET_MODEL_MACVTAP_SELF:
		r = w->by_name ? wire_refuse_name(err) :
				 net_tap_open_macvtap(w->netns, e->name, e->index, queues, w->dir,
						      tap, err);
		break;
	case NET_MODEL_MACVTAP:
		r = w->by_name ? wire_refuse_name(err) :
				 wire_macvtap_open(w, e, first, queues, tap, err);
		break;
	default:
		r = open_tap(w, first, queues, tap, err);
		break;
	}
	return r < 0 ? err_wrap(err, "interface %s", e->name) : 0;
}

int wire_refuse_name(struct err *err)
{
	return err_set(err, ENOTSUP,
		       "the hypervisor opens taps by their names, and a macvtap has none that it "
		       "could open");
}

/* ---- joining ------------------------------------------------------------------------- */

static int limit(const struct net_wire *w, int nl, const char *name, int index, uint64_t bits,
		 unsigned mtu, struct err *err)
{
	auto_free char *entry = xasprintf("limit %s %d", name, index);
	int r;

	if (!bits)
		return 0;
	r = w->journal->note(w->journal->arg, entry, err);
	if (r < 0)
		return r;
	r = tc_limit(nl, index, bits, mtu);
	if (r == 0)
		return 0;
	w->journal->forget(w->journal->arg, entry);
	return err_sys(err, r, "cannot limit its rate");
}

/* A macvtap knows of no groups that the guest has joined: by one of them IPv6 finds it. */
static int take_groups(const struct net_wire *w, int nl, const struct net_endpoint *e,
		       const struct net_tap *tap, int index, struct err *err)
{
	auto_free char *entry = xasprintf("groups %s", tap->name);
	int r;

	if (e->model != NET_MODEL_MACVTAP && (e->model != NET_MODEL_MACVTAP_SELF || e->all_groups))
		return 0;
	r = w->journal->note(w->journal->arg, entry, err);
	if (r < 0)
		return r;
	r = device_take_groups(nl, index, true);
	return r < 0 ? err_sys(err, r, "macvtap %s", tap->name) : 0;
}

static int join(const struct net_wire *w, int nl, const struct net_endpoint *e,
		const struct net_tap *tap, struct err *err)
{
	int index = device_index(nl, tap->name), r;

	if (index < 0)
		return err_sys(err, index, "tap %s", tap->name);
	/* What is others' stays as they made it. */
	r = e->model == NET_MODEL_TAP || e->model == NET_MODEL_MACVTAP_SELF ?
		    device_raise(nl, index) :
		    device_raise_silent(nl, index, e->mtu);
	if (r < 0)
		return err_sys(err, r, "tap %s", tap->name);
	r = take_groups(w, nl, e, tap, index, err);
	if (r == 0 && e->model == NET_MODEL_TC)
		r = wire_tc(w, nl, e, index, err);
	/* What goes out at the tap goes into the guest. */
	if (r == 0)
		r = limit(w, nl, tap->name, index, w->rx_bits, e->mtu, err);
	if (r == 0 && e->model == NET_MODEL_TC)
		r = limit(w, nl, e->name, e->index, w->tx_bits, e->mtu, err);
	return r;
}

int net_wire_join(const struct net_wire *w, const struct net_endpoint *e, const struct net_tap *tap,
		  struct err *err)
{
	auto_close int nl = netns_netlink(w->netns, err);
	int r = nl < 0 ? nl : join(w, nl, e, tap, err);

	return r < 0 ? err_wrap(err, "interface %s", e->name) : 0;
}

/* ---- undoing ---------------------------------------------------------------------------- */

static int undo_link(int nl, const char *name, int index)
{
	(void)index;
	return device_remove(nl, name);
}

static int undo_ingress(int nl, const char *name, int index)
{
	(void)name;
	return tc_remove_ingress(nl, index);
}

static int undo_limit(int nl, const char *name, int index)
{
	(void)name;
	return tc_remove_limit(nl, index);
}

static int undo_groups(int nl, const char *name, int index)
{
	(void)name;
	return device_take_groups(nl, index, false);
}

static int undo_names(int nl, const char *name, int index)
{
	(void)name;
	(void)index;
	return names_route(nl, false);
}

static const struct {
	const char *word;
	int (*undo)(int nl, const char *name, int index);
} undoers[] = {
	{ "link", undo_link },	   { "ingress", undo_ingress }, { "limit", undo_limit },
	{ "groups", undo_groups }, { "names", undo_names },
};

/* "WORD NAME[ INDEX]": what has an index is found by it, for others may change the name. */
static bool split(const char *entry, char word[16], char name[IFNAMSIZ], int *index)
{
	*index = 0;
	return sscanf(entry, "%15s %15s %d", word, name, index) >= 2;
}

bool net_entry_is_of(const char *entry, const char *name)
{
	char word[16], of[IFNAMSIZ];
	int index;

	return split(entry, word, of, &index) && !strcmp(of, name);
}

bool net_entry_is_of_host(const char *entry)
{
	struct physical p;

	return physical_parse(entry, &p);
}

int net_undo(int netns, const char *entry, struct err *err)
{
	char word[16], name[IFNAMSIZ];
	struct physical p;
	auto_close int nl = -1;
	size_t i = 0;
	int index, r;

	if (physical_parse(entry, &p))
		return physical_give_back("/sys", &p, err);
	if (!split(entry, word, name, &index))
		return err_set(err, EINVAL, "\"%s\" is no entry of a journal", entry);
	while (i < ARRAY_SIZE(undoers) && strcmp(undoers[i].word, word) != 0)
		i++;
	if (i == ARRAY_SIZE(undoers))
		return err_set(err, EINVAL, "\"%s\" is no entry of a journal", entry);
	nl = netns_netlink(netns, err);
	if (nl < 0)
		return nl;
	if (index <= 0)
		index = device_index(nl, name);
	r = index < 0 ? index : undoers[i].undo(nl, name, index);
	if (r == -ENODEV || r == -ENOENT || r == -EINVAL)
		return 0;
	return r < 0 ? err_sys(err, r, "cannot undo \"%s\"", entry) : 0;
}
