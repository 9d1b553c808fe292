/* SPDX-License-Identifier: Apache-2.0 */
/* The network before the machine starts and after it has ended; network_sync.c between. */
#include "host/sandbox/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "host/network/netns.h"
#include "host/sandbox/network_parts.h"

/* So often is looked again at a namespace whose interfaces come and go. */
#define LOOKS_MAX 5

/* ---- the journal ---------------------------------------------------------------------- */

static int note(void *arg, const char *entry, struct err *err)
{
	struct sandbox *sb = arg;

	state_note(&sb->st->network, entry);
	return state_save(sb->st, err);
}

/* What is forgotten is written with the next change: undoing twice harms nobody. */
static void forget(void *arg, const char *entry)
{
	struct sandbox *sb = arg;

	state_forget(&sb->st->network, entry);
}

static void undo_entry(struct network *net, size_t i)
{
	struct strv *list = &net->sb->st->network;
	struct err err = ERR_INIT;

	if (net_undo(net->netns, list->v[i], &err) < 0)
		log_warn("sandbox %s: %s", net->sb->st->id, err_msg(&err));
	state_forget(list, list->v[i]);
}

void network_undo_link(struct network *net, const char *name)
{
	const struct strv *list = &net->sb->st->network;

	for (size_t i = list->n; i-- > 0;)
		if (net_entry_is_of(list->v[i], name))
			undo_entry(net, i);
}

/* ---- the namespace --------------------------------------------------------------------- */

static const Grpc__LinuxNamespace *find_namespace(const Grpc__Spec *spec)
{
	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++)
		if (!strcmp(spec->linux->namespaces[i]->type, "network"))
			return spec->linux->namespaces[i];
	return NULL;
}

/* By which a later command finds it again. */
static void remember(struct sandbox *sb, int netns, const char *path)
{
	struct netns_id id;

	if (netns_identify(netns, &id, NULL) < 0)
		return;
	free(sb->st->netns);
	free(sb->st->netns_id);
	sb->st->netns = xstrdup(path);
	sb->st->netns_id =
		xasprintf("%llu:%llu", (unsigned long long)id.dev, (unsigned long long)id.ino);
}

/* -1 without an error: it is the host's. */
static int open_namespace(struct sandbox *sb, const Grpc__Spec *spec, bool *own, struct err *err)
{
	const Grpc__LinuxNamespace *ns = find_namespace(spec);
	auto_free char *path = NULL;
	int netns;

	*own = false;
	if (!ns)
		return -1;
	if (*ns->path)
		path = xstrdup(ns->path);
	else if (sb->standin)
		path = xasprintf("/proc/%d/ns/net", (int)sb->standin);
	/* Nobody made it: it is the machine's, and found by the machine's process. */
	*own = !path;
	netns = path ? netns_open(path, err) : netns_new(err);
	if (netns < 0)
		return netns;
	if (netns_is_ours(netns)) {
		close(netns);
		/* Who asks for it by name, as Docker, would believe to have it. */
		if (*ns->path)
			return err_set(err, EOPNOTSUPP,
				       "linux.namespaces: %s is the host's network, in which a "
				       "container in a virtual machine cannot live: give it a "
				       "network of its own",
				       ns->path);
		return -1;
	}
	remember(sb, netns, path);
	return netns;
}

/* ---- before the start --------------------------------------------------------------------- */

struct nic *network_add_nic(struct network *net)
{
	struct nic *nic = xcalloc(1, sizeof(*nic));

	nic->id = xasprintf("network-%u", net->count++);
	net->nics = xrealloc(net->nics, (net->n + 1) * sizeof(struct nic *));
	net->nics[net->n++] = nic;
	return nic;
}

void network_remove_nic(struct network *net, struct nic *nic)
{
	size_t i = 0;

	while (net->nics[i] != nic)
		i++;
	memmove(&net->nics[i], &net->nics[i + 1], (--net->n - i) * sizeof(struct nic *));
	net_tap_close(&nic->tap);
	str_free(&nic->told.wire);
	free(nic->id);
	free(nic);
}

void network_take(struct nic *nic, const struct net_endpoint *e)
{
	nic->index = e->index;
	memcpy(nic->name, e->name, sizeof(nic->name));
}

void network_describe(const struct nic *nic, unsigned mtu, struct vm_dev *dev)
{
	*dev = (struct vm_dev){ .type = VM_DEV_NET, .id = nic->id };
	dev->net.tap = nic->tap.name;
	dev->net.fds = nic->tap.fds;
	dev->net.n_fds = nic->tap.n;
	dev->net.vhost_fds = nic->tap.has_vhost ? nic->tap.vhost : NULL;
	memcpy(dev->net.mac, nic->mac, VM_MAC_LEN);
	dev->net.mtu = mtu;
	dev->net.pci = *nic->pci ? nic->pci : NULL;
}

/* Without it the monitor moves the packets itself. */
static void open_vhost(struct network *net, struct nic *nic)
{
	const struct sandbox *sb = net->sb;
	int r;

	if (!(sb->caps & HV_CAP_VHOST_NET) || sb->config->hypervisor.disable_vhost_net)
		return;
	r = net_tap_open_vhost(&nic->tap);
	if (r < 0 && !net->no_vhost)
		log_info("sandbox %s: without vhost-net: %s", sb->st->id, strerror(-r));
	net->no_vhost = r < 0;
}

/* As a whole, or the reason why not. */
static int give(struct network *net, struct nic *nic, const struct net_endpoint *e)
{
	struct err why = ERR_INIT;
	struct physical p;
	int r = net_wire_give(&net->wire, e, &p, &why);

	if (r < 0) {
		log_warn("sandbox %s: interface %s is joined as others are: %s", net->sb->st->id,
			 e->name, err_msg(&why));
		return r;
	}
	log_info("sandbox %s: interface %s: the device %s (%s) is the machine's", net->sb->st->id,
		 e->name, p.address, p.driver);
	memcpy(nic->pci, p.address, sizeof(nic->pci));
	memcpy(nic->mac, e->mac, sizeof(nic->mac));
	net_plan_keep(&net->plan, e->index, &net->kept);
	network_take(nic, e);
	return 0;
}

int network_open_nic(struct network *net, struct nic *nic, const struct net_endpoint *e,
		     struct err *err)
{
	struct net_endpoint joined = *e;
	int r;

	if (e->model == NET_MODEL_PHYSICAL) {
		if (give(net, nic, e) == 0)
			return 0;
		joined.model = net->wishes.model;
		e = &joined;
	}
	r = net_wire_open(&net->wire, e, (unsigned)net->n - 1, e->queues, &nic->tap, err);
	if (r == 0)
		r = net_wire_join(&net->wire, e, &nic->tap, err);
	if (r < 0)
		return r;
	/* What is there already is others'. */
	nic->own = !e || (e->model != NET_MODEL_TAP && e->model != NET_MODEL_MACVTAP_SELF);
	open_vhost(net, nic);
	memcpy(nic->mac, e->mac, sizeof(nic->mac));
	network_take(nic, e);
	return 0;
}

/* For an interface that is to come, where the machine can get none later. */
static int add_spare(struct network *net, struct err *err)
{
	struct nic *nic = network_add_nic(net);
	int r = net_wire_open(&net->wire, NULL, 0, 1, &nic->tap, err);

	if (r == 0 && getrandom(nic->mac, sizeof(nic->mac), 0) != sizeof(nic->mac))
		r = err_sys(err, errno, "random numbers");
	nic->own = r == 0;
	if (r == 0)
		open_vhost(net, nic);
	nic->mac[0] = (uint8_t)((nic->mac[0] & 0xfc) | 0x02);
	if (r < 0)
		network_remove_nic(net, nic);
	return r;
}

static int add_found(struct network *net, struct err *err)
{
	int r = network_look(net, err);

	for (size_t i = 0; r == 0 && i < net->plan.n; i++)
		r = network_open_nic(net, network_add_nic(net), &net->plan.endpoints[i], err);
	return r;
}

static int add_nics(struct network *net, struct err *err)
{
	struct err why = ERR_INIT;
	int r = add_found(net, err);

	/* One has gone since it was looked at: what is there now? */
	for (int i = 0; r == -ENODEV && i < LOOKS_MAX; i++) {
		while (net->n > 0)
			network_remove_nic(net, net->nics[0]);
		net_plan_free(&net->kept);
		while (net->sb->st->network.n > 0)
			undo_entry(net, net->sb->st->network.n - 1);
		err_clear(err);
		r = add_found(net, err);
	}
	if (r == 0 && net->n == 0 && !(net->sb->caps & HV_CAP_NET_HOTPLUG) &&
	    add_spare(net, &why) < 0)
		log_warn("sandbox %s: interfaces that come later will not reach the guest: %s",
			 net->sb->st->id, err_msg(&why));
	return r;
}

static void describe_all(struct network *net)
{
	struct vm_spec *spec = &net->sb->vm_spec;

	net->devs = xcalloc(net->n + 1, sizeof(*net->devs));
	for (size_t i = 0; i < net->n; i++)
		network_describe(net->nics[i], net->nics[i]->index ? net->plan.endpoints[i].mtu : 0,
				 &net->devs[i]);
	spec->nets = net->devs;
	spec->n_nets = net->n;
	spec->netns = net->netns;
	spec->netns_is_own = net->own;
	/* What comes later is plugged in, and only a card of the machine's own can be. */
	net->wishes.whole = false;
}

static struct network *network_new(struct sandbox *sb, int netns, bool own)
{
	const struct config_hypervisor *h = &sb->config->hypervisor;
	struct network *net = xcalloc(1, sizeof(*net));

	net->sb = sb;
	net->netns = netns;
	net->own = own;
	net->dir = path_join(sb->run_dir, "net");
	net->journal = (struct net_journal){ note, forget, sb };
	net->wire = (struct net_wire){ .netns = netns,
				       .by_name = sb->caps & HV_CAP_TAP_BY_NAME,
				       .dir = net->dir,
				       .journal = &net->journal };
	if (!(sb->caps & HV_CAP_NET_LIMITS)) {
		net->wire.rx_bits = (uint64_t)h->rx_rate_limiter_max_rate;
		net->wire.tx_bits = (uint64_t)h->tx_rate_limiter_max_rate;
	}
	net->wishes.whole = sb->caps & HV_CAP_NET_DEVICE;
	net->wishes.queues = (unsigned)h->network_queues;
	(void)net_model_parse(sb->config->runtime.internetworking_model, &net->wishes.model);
	/* A macvtap has no name that could be opened. */
	if (net->wire.by_name && net->wishes.model == NET_MODEL_MACVTAP) {
		net->wishes.model = NET_MODEL_TC;
		log_info("sandbox %s: hypervisor \"%s\" opens taps by name: the model is "
			 "\"tcfilter\" in place of \"macvtap\"",
			 sb->st->id, sb->ops->name);
	}
	list_init(&net->waiters);
	return net;
}

int network_prepare(struct sandbox *sb, const Grpc__Spec *spec, struct err *err)
{
	bool own;
	int netns, r;

	if (!(sb->caps & HV_CAP_NET) || sb->config->runtime.disable_new_netns)
		return 0;
	netns = open_namespace(sb, spec, &own, err);
	if (netns < -1 || (netns < 0 && err->code))
		return netns;
	if (netns < 0) {
		log_warn(
			"sandbox %s: it is in the network of the host, which a guest cannot share: "
			"the guest has none but its loopback",
			sb->st->id);
		return 0;
	}
	sb->net = network_new(sb, netns, own);
	if (mkdir(sb->net->dir, 0700) < 0)
		return err_sys(err, errno, "%s", sb->net->dir);
	r = add_nics(sb->net, err);
	if (r == 0)
		describe_all(sb->net);
	return r;
}

/* Whether the namespace at @path is the pod's. */
static bool is_ours(const struct sandbox *sb, const char *path)
{
	auto_close int netns = netns_open(path, NULL);
	struct netns_id ours, theirs;

	return netns >= 0 && sb->net && netns_identify(netns, &theirs, NULL) == 0 &&
	       netns_identify(sb->net->netns, &ours, NULL) == 0 && ours.dev == theirs.dev &&
	       ours.ino == theirs.ino;
}

void network_admit(struct sandbox *sb, const char *id, const Grpc__Spec *spec)
{
	const Grpc__LinuxNamespace *ns = find_namespace(spec);

	if (!(sb->caps & HV_CAP_NET) || sb->config->runtime.disable_new_netns)
		return;
	if (ns && *ns->path && !is_ours(sb, ns->path))
		log_warn(
			"container %s: it names the network namespace %s and has the pod's, as all "
			"containers of a machine",
			id, ns->path);
	else if (!ns != !sb->net)
		log_warn("container %s: it %s and has the pod's, as all containers of a machine",
			 id,
			 ns ? "wants a network namespace of its own" : "wants the host's network");
}

int network_start(struct sandbox *sb, struct err *err)
{
	int back, r = netns_enter(sb->net && sb->net->own ? sb->net->netns : -1, &back, err);

	if (r < 0)
		return r;
	r = vm_start(sb->vm, err);
	netns_leave(&back);
	return r;
}

/* ---- after the end ---------------------------------------------------------------------- */

int network_undo(struct sandbox *sb, struct err *err)
{
	struct strv *list = &sb->st->network;
	int first = 0;

	if (!sb->net)
		return 0;
	network_undo_stop(sb);
	for (size_t i = 0; i < sb->net->n; i++)
		net_tap_close(&sb->net->nics[i]->tap);
	for (size_t i = list->n; i-- > 0;) {
		struct err why = ERR_INIT;

		if (net_undo(sb->net->netns, list->v[i], &why) == 0) {
			state_forget(list, list->v[i]);
		} else if (first == 0) {
			first = why.code;
			*err = why;
		}
	}
	return first;
}

void network_free(struct network *net)
{
	if (!net)
		return;
	net_watch_free(net->watch);
	loop_remove(&net->retry);
	while (net->n > 0)
		network_remove_nic(net, net->nics[0]);
	net_plan_free(&net->plan);
	net_plan_free(&net->kept);
	free(net->failed);
	strv_free(&net->warned);
	str_free(&net->told_routes.wire);
	str_free(&net->told_neighbours.wire);
	close_fd(&net->netns);
	free(net->nics);
	free(net->devs);
	free(net->dir);
	free(net);
}
