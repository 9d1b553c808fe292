/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest follows its namespace. A round looks, then goes one step after the other until
 * nothing is left to do: interfaces that have gone, those that have come, what the agent
 * has to be told. One round at a time; what changes meanwhile makes another.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/sandbox/names.h"
#include "host/sandbox/network_parts.h"

/* An engine makes an interface by a dozen changes, a few milliseconds apart. */
#define SETTLE_MS 30

/* How often the agent is told again what it has not answered, and when at first: it doubles. */
#define RETRIES	 6
#define RETRY_MS 500

struct waiter {
	struct list link;
	sandbox_done done;
	void *arg;
};

/* ---- looking --------------------------------------------------------------------------- */

static bool was_warned(const struct network *net, const char *what)
{
	for (size_t i = 0; i < net->warned.n; i++)
		if (!strcmp(net->warned.v[i], what))
			return true;
	return false;
}

int network_look(struct network *net, struct err *err)
{
	auto_net_view struct net_view view = { .links = NULL };
	int r = net_scan(net->netns, &view, err);

	if (r < 0)
		return r;
	net_plan_free(&net->plan);
	net_plan(&view, &net->wishes, &net->plan);
	net_plan_add(&net->plan, &net->kept);
	free(net->failed);
	net->failed = xcalloc(net->plan.n + 1, sizeof(*net->failed));
	for (size_t i = 0; i < net->plan.warnings.n; i++) {
		const char *what = net->plan.warnings.v[i];

		if (was_warned(net, what))
			continue;
		strv_add(&net->warned, what);
		log_warn("sandbox %s: %s", net->sb->st->id, what);
	}
	return 0;
}

struct net_endpoint *network_endpoint_of(const struct network *net, const struct nic *nic)
{
	for (size_t i = 0; nic->index && i < net->plan.n; i++)
		if (net->plan.endpoints[i].index == nic->index)
			return &net->plan.endpoints[i];
	return NULL;
}

static struct nic *nic_of(const struct network *net, const struct net_endpoint *e)
{
	for (size_t i = 0; i < net->n; i++)
		if (net->nics[i]->index == (e ? e->index : 0))
			return net->nics[i];
	return NULL;
}

/* ---- the end of a round ----------------------------------------------------------------- */

static void tell_waiters(struct network *net, const struct err *err)
{
	while (!list_empty(&net->waiters)) {
		struct waiter *w = container_of(net->waiters.next, struct waiter, link);

		list_del(&w->link);
		call_done(net->sb, err && err->code ? err : NULL, w->done, w->arg);
		free(w);
	}
}

static void begin_round(struct network *net);

static void on_retry(void *arg)
{
	struct network *net = arg;

	net->retry = NULL;
	begin_round(net);
}

static void retry_later(struct network *net)
{
	if (!net->untold)
		net->tries = 0;
	else if (net->sb->phase == PHASE_RUNNING && net->tries < RETRIES)
		net->retry = loop_add_timer(net->sb->loop, RETRY_MS << net->tries++, on_retry, net);
}

static void end_round(struct network *net)
{
	struct err err = net->err;

	net->running = false;
	err_clear(&net->err);
	if (err.code == 0 && net->again) {
		begin_round(net);
		return;
	}
	if (err.code)
		log_warn("sandbox %s: network: %s", net->sb->st->id, err_msg(&err));
	/* With a network may come who serves names. */
	names_look(net->sb);
	tell_waiters(net, &err);
	if (net->again && net->sb->phase == PHASE_RUNNING)
		begin_round(net);
	else
		retry_later(net);
}

void network_keep(struct network *net, const struct err *err)
{
	if (net->err.code == 0)
		net->err = *err;
}

/* ---- interfaces that have gone ------------------------------------------------------------ */

/* Its card is free for another, or is taken away. */
static void lose(struct network *net, struct nic *nic)
{
	log_info("sandbox %s: interface %s has gone", net->sb->st->id, nic->name);
	network_undo_link(net, nic->name);
	nic->index = 0;
}

static void on_unplugged(const struct err *err, void *arg)
{
	struct network *net = arg;

	for (size_t i = 0; i < net->n; i++) {
		struct nic *nic = net->nics[i];

		if (nic->index || !nic->plugged)
			continue;
		/* The guest holds on to it: then it is there for another. */
		nic->plugged = false;
		if (err) {
			network_keep(net, err);
		} else {
			network_undo_link(net, nic->tap.name);
			network_remove_nic(net, nic);
		}
		break;
	}
	network_advance(net);
}

static bool step_unplug(struct network *net)
{
	for (size_t i = 0; i < net->n; i++) {
		if (net->nics[i]->index || !net->nics[i]->plugged)
			continue;
		vm_unplug(net->sb->vm, net->nics[i]->id, on_unplugged, net);
		return true;
	}
	return false;
}

/* ---- interfaces that have come -------------------------------------------------------------- */

static void on_plugged(const struct err *err, const struct vm_place *place, void *arg)
{
	struct network *net = arg;
	/* The last one is the newest. */
	struct nic *nic = net->nics[net->n - 1];

	if (err) {
		for (size_t i = 0; i < net->plan.n; i++)
			if (net->plan.endpoints[i].index == nic->index)
				net->failed[i] = true;
		network_undo_link(net, nic->name);
		network_undo_link(net, nic->tap.name);
		network_remove_nic(net, nic);
		network_keep(net, err);
	} else {
		nic->plugged = true;
		if (place->type == VM_PLACE_PCI)
			memcpy(nic->place, place->at, sizeof(nic->place));
	}
	network_advance(net);
}

static int plug(struct network *net, const struct net_endpoint *e, struct err *err)
{
	struct nic *nic = network_add_nic(net);
	struct vm_dev dev;
	int r = network_open_nic(net, nic, e, err);

	if (r < 0) {
		network_undo_link(net, e->name);
		network_undo_link(net, nic->tap.name);
		network_remove_nic(net, nic);
		return r;
	}
	network_describe(nic, e->mtu, &dev);
	vm_plug(net->sb->vm, &dev, on_plugged, net);
	return 0;
}

static int use_spare(struct network *net, struct nic *nic, const struct net_endpoint *e,
		     struct err *err)
{
	int r;

	if (e->model != NET_MODEL_TC && e->model != NET_MODEL_NONE)
		return err_set(
			err, ENOTSUP,
			"interface %s: it has come after the boot, and the hypervisor cannot "
			"add one of its kind (%s) to a running machine",
			e->name, e->type);
	r = net_wire_join(&net->wire, e, &nic->tap, err);
	if (r < 0)
		network_undo_link(net, e->name);
	else
		network_take(nic, e);
	return r;
}

/* True: an answer is to come. */
static bool step_add(struct network *net)
{
	for (size_t i = 0; i < net->plan.n; i++) {
		const struct net_endpoint *e = &net->plan.endpoints[i];
		struct nic *spare = nic_of(net, NULL);
		struct err err = ERR_INIT;
		int r;

		if (net->failed[i] || nic_of(net, e))
			continue;
		log_info("sandbox %s: interface %s has come", net->sb->st->id, e->name);
		if (spare)
			r = use_spare(net, spare, e, &err);
		else if (net->sb->caps & HV_CAP_NET_HOTPLUG)
			r = plug(net, e, &err);
		else
			r = err_set(&err, ENOTSUP,
				    "interface %s: it has come after the boot, and hypervisor "
				    "\"%s\" cannot add it to a running machine",
				    e->name, net->sb->ops->name);
		if (r == 0 && !spare)
			return true;
		if (r < 0)
			net->failed[i] = true;
		/* It has gone since it was looked at. */
		if (r == -ENODEV)
			net->again = true;
		else if (r < 0)
			network_keep(net, &err);
	}
	return false;
}

/* ---- rounds ------------------------------------------------------------------------------- */

static bool is_alive(const struct sandbox *sb)
{
	return sb->vm && (sb->phase == PHASE_BOOTING || sb->phase == PHASE_RUNNING);
}

void network_advance(struct network *net)
{
	if (!is_alive(net->sb)) {
		net->again = false;
		end_round(net);
		return;
	}
	if (step_unplug(net) || step_add(net) || network_tell_interfaces(net) ||
	    network_tell_routes(net) || network_tell_neighbours(net))
		return;
	end_round(net);
}

static void begin_round(struct network *net)
{
	struct err err = ERR_INIT;

	loop_remove(&net->retry);
	net->again = net->untold = false;
	net->running = true;
	net->round++;
	/* What comes from now on is news. */
	(void)net_watch_take(net->watch);
	if (network_look(net, &err) < 0) {
		network_keep(net, &err);
		end_round(net);
		return;
	}
	net->settled = true;
	for (size_t i = 0; i < net->n; i++)
		if (net->nics[i]->index && !network_endpoint_of(net, net->nics[i]))
			lose(net, net->nics[i]);
	network_advance(net);
}

static void on_changed(void *arg)
{
	struct network *net = arg;

	if (net->running)
		net->again = true;
	else if (net->sb->phase == PHASE_RUNNING)
		begin_round(net);
	else
		net->settled = false; /* who asks next looks at it */
}

/* Without it what changes is found when somebody asks. */
static void watch(struct network *net)
{
	struct err err = ERR_INIT;

	net->watch = net_watch_new(net->sb->loop, net->netns, SETTLE_MS, on_changed, net, &err);
	if (!net->watch)
		log_warn("sandbox %s: %s", net->sb->st->id, err_msg(&err));
}

void network_sync(struct sandbox *sb, sandbox_done done, void *arg)
{
	struct network *net = sb->net;
	struct waiter *w;

	if (net && !net->watch)
		watch(net);
	if (!net || (net->settled && !net->running && net->watch && !net_watch_take(net->watch))) {
		done(NULL, arg);
		return;
	}
	w = xmalloc(sizeof(*w));
	*w = (struct waiter){ .done = done, .arg = arg };
	list_add_tail(&net->waiters, &w->link);
	if (net->running)
		net->again = true;
	else
		begin_round(net);
}

void network_end(struct sandbox *sb)
{
	if (!sb->net)
		return;
	net_watch_free(take_ptr(sb->net->watch));
	loop_remove(&sb->net->retry);
	sb->net->running = false;
	tell_waiters(sb->net, &sb->why);
}
