/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network cards of a running machine: the descriptors go by the control connection (getfd),
 * are joined to an interface of QEMU's (netdev_add), and a device gets that (device_add).
 * They take the places behind the bridges from the end on, disks those from the beginning.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/hypervisor/qemu/args.h"
#include "host/hypervisor/qemu/jobs.h"
#include "host/hypervisor/qemu/plug.h"

struct card {
	struct list link; /* jobs->cards */
	char *id;
	unsigned place;
	bool present; /* as of struct disk (plug.c) */
	bool gone;
};

static struct card *find(struct jobs *jobs, const char *id)
{
	struct list *it;

	list_for_each(it, &jobs->cards) {
		struct card *c = container_of(it, struct card, link);

		if (!strcmp(c->id, id))
			return c;
	}
	return NULL;
}

static void card_free(struct card *c)
{
	list_del(&c->link);
	free(c->id);
	free(c);
}

void jobs_forget_cards(struct jobs *jobs)
{
	while (!list_empty(&jobs->cards))
		card_free(container_of(jobs->cards.next, struct card, link));
}

bool jobs_card_gone(struct jobs *jobs, const char *id)
{
	struct card *c = find(jobs, id);

	if (c)
		c->gone = true;
	return c;
}

bool jobs_card_at(struct jobs *jobs, unsigned place)
{
	struct list *it;

	list_for_each(it, &jobs->cards)
		if (container_of(it, struct card, link)->place == place)
			return true;
	return false;
}

/* ---- what QEMU is told; pure ------------------------------------------------- */

static void put_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

char *plug_net_fd(const char *id, bool vhost, size_t i)
{
	return xasprintf("%s-%s%zu", id, vhost ? "vhost" : "tap", i);
}

static void put_names(struct json_object *o, const char *key, const char *id, bool vhost, size_t n)
{
	auto_str struct str names = STR_INIT;

	for (size_t i = 0; i < n; i++) {
		auto_free char *name = plug_net_fd(id, vhost, i);

		str_printf(&names, "%s%s", i ? ":" : "", name);
	}
	put_string(o, key, str_text(&names));
}

struct json_object *plug_netdev(const char *id, size_t queues, bool vhost)
{
	struct json_object *o = json_object_new_object();

	put_string(o, "type", "tap");
	put_string(o, "id", id);
	put_names(o, "fds", id, false, queues);
	if (vhost) {
		json_object_object_add(o, "vhost", json_object_new_boolean(true));
		put_names(o, "vhostfds", id, true, queues);
	}
	return o;
}

struct json_object *plug_card(const struct config_hypervisor *h, const char *id,
			      const uint8_t mac[VM_MAC_LEN], size_t queues, unsigned place)
{
	auto_free char *bus = xasprintf(QEMU_ID_BRIDGE "%u", place / PLUG_BRIDGE_SLOTS);
	auto_free char *addr = xasprintf("%02x", place % PLUG_BRIDGE_SLOTS + 1);
	auto_free char *text = xasprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
					 mac[3], mac[4], mac[5]);
	struct json_object *o = json_object_new_object();

	put_string(o, "driver", "virtio-net-pci");
	put_string(o, "id", id);
	put_string(o, "netdev", id);
	put_string(o, "mac", text);
	put_string(o, "bus", bus);
	put_string(o, "addr", addr);
	put_string(o, "romfile", "");
	if (queues > 1) {
		json_object_object_add(o, "mq", json_object_new_boolean(true));
		json_object_object_add(o, "vectors",
				       json_object_new_int64((int64_t)(2 * queues + 2)));
	}
	if (h->enable_iommu_platform) {
		put_string(o, "disable-legacy", "on");
		json_object_object_add(o, "iommu_platform", json_object_new_boolean(true));
	}
	return o;
}

/* ---- plugging ---------------------------------------------------------------- */

struct plug_net {
	struct job job;
	char *id;
	uint8_t mac[VM_MAC_LEN];
	int *fds; /* copies: those of the tap, then as many of vhost, if there are any */
	size_t queues, n_fds, sent;
	struct card *card;
	struct err err;
	vm_plug_done done;
	void *arg;
};

static struct plug_net *plug_of(void *job)
{
	return container_of((struct job *)job, struct plug_net, job);
}

static void plug_fail(struct job *job, const struct err *err)
{
	struct plug_net *p = plug_of(job);

	if (p->card)
		card_free(p->card);
	p->card = NULL;
	p->done(err, NULL, p->arg);
}

static void plug_free(struct job *job)
{
	struct plug_net *p = plug_of(job);

	for (size_t i = 0; i < p->n_fds; i++)
		close_fd(&p->fds[i]);
	free(p->fds);
	free(p->id);
	free(p);
}

static void give_up(struct plug_net *p)
{
	struct job *job = &p->job;

	err_wrap(&p->err, "network %s", p->id);
	plug_fail(job, &p->err);
	job_end(job);
}

static void on_undone(const struct err *err, struct json_object *ret, void *arg)
{
	struct plug_net *p = plug_of(arg);

	(void)ret;
	/* What is not undone keeps its name and place. */
	if (err) {
		log_warn("qemu: %s", err_msg(err));
		p->card = NULL;
	}
	give_up(p);
}

static void on_device(const struct err *err, struct json_object *ret, void *arg)
{
	struct plug_net *p = plug_of(arg);
	struct job *job = arg;
	struct vm_place at;

	(void)ret;
	if (err) {
		p->err = *err;
		job_command(job, "netdev_del", job_strings("id", p->id, NULL), on_undone);
		return;
	}
	p->card->present = true;
	plug_bridge_place(p->card->place, &at);
	log_info("qemu: network %s is at %s", p->id, at.at);
	p->done(NULL, &at, p->arg);
	job_end(job);
}

static void on_netdev(const struct err *err, struct json_object *ret, void *arg)
{
	struct plug_net *p = plug_of(arg);
	const struct config_hypervisor *h = &p->job.jobs->vm->spec->config->hypervisor;

	(void)ret;
	if (err) {
		p->err = *err;
		give_up(p);
		return;
	}
	job_command(&p->job, "device_add", plug_card(h, p->id, p->mac, p->queues, p->card->place),
		    on_device);
}

static void send_next(struct plug_net *p);

static void on_fd(const struct err *err, struct json_object *ret, void *arg)
{
	struct plug_net *p = plug_of(arg);

	(void)ret;
	/* Those that it has are replaced by others of that name, or go with it. */
	if (err) {
		p->err = *err;
		give_up(p);
		return;
	}
	p->sent++;
	send_next(p);
}

static void send_next(struct plug_net *p)
{
	bool vhost = p->sent >= p->queues;
	auto_free char *name = plug_net_fd(p->id, vhost, p->sent - (vhost ? p->queues : 0));

	if (p->sent < p->n_fds)
		job_command_fd(&p->job, "getfd", job_strings("fdname", name, NULL), p->fds[p->sent],
			       on_fd);
	else
		job_command(&p->job, "netdev_add",
			    plug_netdev(p->id, p->queues, p->n_fds > p->queues), on_netdev);
}

static int find_place(struct jobs *jobs, unsigned *place, struct err *err)
{
	const struct config_hypervisor *h = &jobs->vm->spec->config->hypervisor;
	unsigned max = (unsigned)h->default_bridges * PLUG_BRIDGE_SLOTS;

	for (*place = max; (*place)-- > 0;)
		if (!jobs_card_at(jobs, *place) && !jobs_disk_at(jobs, *place))
			return 0;
	return err_set(err, ENOSPC, "all %u places behind bridges are taken", max);
}

static void plug_begin(struct job *job)
{
	struct plug_net *p = plug_of(job);
	unsigned place = 0;
	int r = 0;

	if (find(job->jobs, p->id))
		r = err_set(&p->err, EEXIST, "there is one of that name");
	for (size_t i = 0; i < p->n_fds; i++)
		if (p->fds[i] < 0)
			r = err_set(&p->err, EBADF, "a descriptor could not be copied");
	if (r == 0)
		r = find_place(job->jobs, &place, &p->err);
	if (r < 0) {
		give_up(p);
		return;
	}
	p->card = xcalloc(1, sizeof(*p->card));
	p->card->id = xstrdup(p->id);
	p->card->place = place;
	list_add_tail(&job->jobs->cards, &p->card->link);
	send_next(p);
}

static const struct job_ops plug_ops = { plug_begin, plug_fail, plug_free };

void jobs_plug_net(struct jobs *jobs, const struct vm_dev *dev, vm_plug_done done, void *arg)
{
	struct plug_net *p = xcalloc(1, sizeof(*p));
	bool vhost = dev->net.vhost_fds;

	p->id = xstrdup(dev->id);
	memcpy(p->mac, dev->net.mac, sizeof(p->mac));
	p->queues = dev->net.n_fds;
	p->n_fds = vhost ? 2 * p->queues : p->queues;
	p->fds = xcalloc(p->n_fds + 1, sizeof(*p->fds));
	for (size_t i = 0; i < p->n_fds; i++)
		p->fds[i] =
			fcntl(i < p->queues ? dev->net.fds[i] : dev->net.vhost_fds[i - p->queues],
			      F_DUPFD_CLOEXEC, 3);
	p->done = done;
	p->arg = arg;
	jobs_add(jobs, &p->job, &plug_ops);
}

/* ---- unplugging --------------------------------------------------------------- */

struct unplug_net {
	struct job job;
	char *id;
	vm_done done;
	void *arg;
};

static struct unplug_net *unplug_of(void *job)
{
	return container_of((struct job *)job, struct unplug_net, job);
}

static void unplug_fail(struct job *job, const struct err *err)
{
	struct unplug_net *u = unplug_of(job);

	u->done(err, u->arg);
}

static void unplug_free(struct job *job)
{
	free(unplug_of(job)->id);
	free(unplug_of(job));
}

static void unplug_end(struct job *job, const struct err *err)
{
	struct unplug_net *u = unplug_of(job);
	struct err why = ERR_INIT;

	if (err) {
		why = *err;
		err_wrap(&why, "network %s", u->id);
	}
	u->done(err ? &why : NULL, u->arg);
	job_end(job);
}

static void on_netdev_gone(const struct err *err, struct json_object *ret, void *arg)
{
	struct job *job = arg;
	struct card *c = find(job->jobs, unplug_of(job)->id);

	(void)ret;
	if (!err && c)
		card_free(c);
	unplug_end(job, err);
}

static void on_card_gone(struct job *job, const struct err *err)
{
	if (err)
		unplug_end(job, err);
	else
		job_command(job, "netdev_del", job_strings("id", unplug_of(job)->id, NULL),
			    on_netdev_gone);
}

static void unplug_begin(struct job *job)
{
	struct card *c = find(job->jobs, unplug_of(job)->id);
	struct err err = ERR_INIT;

	if (c && c->gone) {
		on_card_gone(job, NULL);
	} else if (c && c->present) {
		job_delete_device(job, c->id, on_card_gone);
	} else {
		err_set(&err, ENOENT, "it was not plugged in");
		unplug_end(job, &err);
	}
}

static const struct job_ops unplug_ops = { unplug_begin, unplug_fail, unplug_free };

bool jobs_unplug_net(struct jobs *jobs, const char *id, vm_done done, void *arg)
{
	struct unplug_net *u;

	if (!find(jobs, id))
		return false;
	u = xcalloc(1, sizeof(*u));
	u->id = xstrdup(id);
	u->done = done;
	u->arg = arg;
	jobs_add(jobs, &u->job, &unplug_ops);
	return true;
}
