/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks of a running machine: a block node (blockdev-add) and a device on it
 * (device_add), on the SCSI controller or behind a PCI bridge. A place belongs to
 * a disk until QEMU says that it is gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/hypervisor/qemu/args.h"
#include "host/hypervisor/qemu/jobs.h"
#include "host/hypervisor/qemu/plug.h"

struct disk {
	struct list link; /* jobs->disks */
	char *id;
	char *node;
	unsigned place;
	bool present; /* it was plugged in well, and nobody takes it away */
	bool gone;    /* the guest has let go of it, the node is still there */
};

static struct disk *find(struct jobs *jobs, const char *id)
{
	struct list *it;

	list_for_each(it, &jobs->disks) {
		struct disk *d = container_of(it, struct disk, link);

		if (!strcmp(d->id, id))
			return d;
	}
	return NULL;
}

static void disk_free(struct disk *d)
{
	list_del(&d->link);
	free(d->id);
	free(d->node);
	free(d);
}

void jobs_forget_disks(struct jobs *jobs)
{
	while (!list_empty(&jobs->disks))
		disk_free(container_of(jobs->disks.next, struct disk, link));
}

void jobs_gone(struct jobs *jobs, const char *id)
{
	struct disk *d = find(jobs, id);

	if (d)
		d->gone = true;
	else
		(void)jobs_card_gone(jobs, id);
}

static bool is_taken(struct jobs *jobs, unsigned place)
{
	struct list *it;

	list_for_each(it, &jobs->disks)
		if (container_of(it, struct disk, link)->place == place)
			return true;
	return false;
}

static bool on_scsi(const struct config_hypervisor *h)
{
	return !strcmp(h->block_device_driver, "virtio-scsi");
}

bool jobs_disk_at(struct jobs *jobs, unsigned place)
{
	return !on_scsi(&jobs->vm->spec->config->hypervisor) && is_taken(jobs, place);
}

/* The lowest place that is free; -ENOSPC when there is none. */
static int find_place(struct jobs *jobs, unsigned *place, struct err *err)
{
	const struct config_hypervisor *h = &jobs->vm->spec->config->hypervisor;
	unsigned max =
		on_scsi(h) ? PLUG_SCSI_MAX : (unsigned)h->default_bridges * PLUG_BRIDGE_SLOTS;

	for (*place = 0; *place < max; ++*place)
		if (!is_taken(jobs, *place) && (on_scsi(h) || !jobs_card_at(jobs, *place)))
			return 0;
	if (max == 0)
		return err_set(
			err, ENOTSUP,
			"hypervisor.qemu.default_bridges: without a bridge there is no place "
			"for disks with the driver \"%s\"",
			h->block_device_driver);
	return err_set(err, ENOSPC, "all %u places for disks are taken", max);
}

void plug_bridge_place(unsigned place, struct vm_place *at)
{
	at->type = VM_PLACE_PCI;
	snprintf(at->at, sizeof(at->at), "%02x/%02x", QEMU_BRIDGE_SLOT + place / PLUG_BRIDGE_SLOTS,
		 place % PLUG_BRIDGE_SLOTS + 1);
}

void plug_place(const struct config_hypervisor *h, unsigned place, struct vm_place *at)
{
	if (on_scsi(h)) {
		at->type = VM_PLACE_SCSI;
		snprintf(at->at, sizeof(at->at), "%u:%u", place / PLUG_SCSI_UNITS,
			 place % PLUG_SCSI_UNITS);
	} else {
		plug_bridge_place(place, at);
	}
}

/* ---- what QEMU is told; pure ------------------------------------------------- */

static void put_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void put_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

static void put_number(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

/* aio=native works with O_DIRECT alone, so who asks for the one gets the other. */
static struct json_object *cache_of(const struct config_hypervisor *h, const char *aio)
{
	bool native = !strcmp(aio, "native");
	struct json_object *cache;

	if (!h->block_device_cache_set && !native)
		return NULL;
	cache = json_object_new_object();
	put_bool(cache, "direct",
		 native || (h->block_device_cache_set && h->block_device_cache_direct));
	put_bool(cache, "no-flush", h->block_device_cache_set && h->block_device_cache_noflush);
	return cache;
}

struct json_object *plug_node(const struct config_hypervisor *h, const char *node,
			      const struct vm_dev *dev, bool is_device, const char *aio)
{
	struct json_object *o = json_object_new_object(), *file = json_object_new_object();
	struct json_object *cache = cache_of(h, aio);

	put_string(file, "driver", is_device ? "host_device" : "file");
	put_string(file, "filename", dev->disk.path);
	put_string(file, "aio", aio);
	if (cache)
		json_object_object_add(file, "cache", json_object_get(cache));
	put_string(o, "driver", "raw");
	put_string(o, "node-name", node);
	put_bool(o, "read-only", dev->disk.read_only);
	if (cache)
		json_object_object_add(o, "cache", cache);
	json_object_object_add(o, "file", file);
	return o;
}

/* What every kind of disk has. */
static void put_common(const struct config_hypervisor *h, struct json_object *o)
{
	put_bool(o, "share-rw", true);
	if (h->block_device_logical_sector_size)
		put_number(o, "logical_block_size", h->block_device_logical_sector_size);
	if (h->block_device_physical_sector_size)
		put_number(o, "physical_block_size", h->block_device_physical_sector_size);
}

static void put_pci(const struct config_hypervisor *h, unsigned place, struct json_object *o)
{
	auto_free char *bus = xasprintf(QEMU_ID_BRIDGE "%u", place / PLUG_BRIDGE_SLOTS);
	auto_free char *addr = xasprintf("%02x", place % PLUG_BRIDGE_SLOTS + 1);
	auto_free char *thread = NULL;

	put_string(o, "driver", "virtio-blk-pci");
	put_string(o, "bus", bus);
	put_string(o, "addr", addr);
	/* The defaults of the keys are QEMU's choice. */
	if (h->num_queues != 1)
		put_number(o, "num-queues", h->num_queues);
	if (h->queue_size != 128)
		put_number(o, "queue-size", h->queue_size);
	if (h->indep_iothreads > 0)
		thread = xasprintf(QEMU_ID_INDEP_IOTHREAD "%u",
				   place % (unsigned)h->indep_iothreads);
	else if (h->enable_iothreads)
		thread = xstrdup(QEMU_ID_IOTHREAD);
	if (thread)
		put_string(o, "iothread", thread);
	if (h->enable_iommu_platform) {
		put_string(o, "disable-legacy", "on");
		put_bool(o, "iommu_platform", true);
	}
}

struct json_object *plug_device(const struct config_hypervisor *h, const char *node, const char *id,
				unsigned place)
{
	struct json_object *o = json_object_new_object();

	if (on_scsi(h)) {
		put_string(o, "driver", "scsi-hd");
		put_string(o, "bus", QEMU_ID_SCSI ".0");
		put_number(o, "scsi-id", place / PLUG_SCSI_UNITS);
		put_number(o, "lun", place % PLUG_SCSI_UNITS);
	} else {
		put_pci(h, place, o);
	}
	put_string(o, "id", id);
	put_string(o, "drive", node);
	put_common(h, o);
	return o;
}

/* ---- plugging ---------------------------------------------------------------- */

struct plug {
	struct job job;
	struct vm_dev dev; /* its strings are copies */
	struct disk *disk;
	bool is_device, again;
	struct err err;
	vm_plug_done done;
	void *arg;
};

static struct plug *plug_of(void *job)
{
	return container_of((struct job *)job, struct plug, job);
}

static const struct config_hypervisor *config_of(const struct plug *p)
{
	return &p->job.jobs->vm->spec->config->hypervisor;
}

static void plug_fail(struct job *job, const struct err *err)
{
	struct plug *p = plug_of(job);

	if (p->disk)
		disk_free(p->disk);
	p->disk = NULL;
	p->done(err, NULL, p->arg);
}

static void plug_free(struct job *job)
{
	struct plug *p = plug_of(job);

	free((char *)(uintptr_t)p->dev.id);
	free((char *)(uintptr_t)p->dev.disk.path);
	free(p);
}

static void give_up(struct plug *p)
{
	struct job *job = &p->job;

	plug_fail(job, &p->err);
	job_end(job);
}

static void on_undone(const struct err *err, struct json_object *ret, void *arg)
{
	struct plug *p = plug_of(arg);

	(void)ret;
	/* What is not undone keeps its name and place. */
	if (err) {
		log_warn("qemu: %s", err_msg(err));
		p->disk = NULL;
	}
	give_up(p);
}

static void on_device(const struct err *err, struct json_object *ret, void *arg)
{
	struct plug *p = plug_of(arg);
	struct job *job = arg;
	struct vm_place at;

	(void)ret;
	if (err) {
		p->err = *err;
		err_wrap(&p->err, "disk %s (%s)", p->dev.id, p->dev.disk.path);
		job_command(job, "blockdev-del", job_strings("node-name", p->disk->node, NULL),
			    on_undone);
		return;
	}
	p->disk->present = true;
	plug_place(config_of(p), p->disk->place, &at);
	log_info("qemu: disk %s (%s) is at %s", p->dev.id, p->dev.disk.path, at.at);
	p->done(NULL, &at, p->arg);
	job_end(job);
}

static void add_node(struct plug *p);

static void on_node(const struct err *err, struct json_object *ret, void *arg)
{
	struct plug *p = plug_of(arg);
	const struct config_hypervisor *h = config_of(p);

	(void)ret;
	/* Not every QEMU has io_uring, nor does every host allow it. */
	if (err && err->code == -EIO && !p->again && !strcmp(h->block_device_aio, "io_uring")) {
		log_debug("qemu: %s, trying without io_uring", err_msg(err));
		p->again = true;
		add_node(p);
	} else if (err) {
		p->err = *err;
		err_wrap(&p->err, "disk %s (%s)", p->dev.id, p->dev.disk.path);
		give_up(p);
	} else {
		job_command(&p->job, "device_add",
			    plug_device(h, p->disk->node, p->dev.id, p->disk->place), on_device);
	}
}

static void add_node(struct plug *p)
{
	const struct config_hypervisor *h = config_of(p);

	job_command(&p->job, "blockdev-add",
		    plug_node(h, p->disk->node, &p->dev, p->is_device,
			      p->again ? "threads" : h->block_device_aio),
		    on_node);
}

static int look_at(struct plug *p, struct err *err)
{
	struct stat st;

	if (find(p->job.jobs, p->dev.id))
		return err_set(err, EEXIST, "disk %s: there is one of that name", p->dev.id);
	if (stat(p->dev.disk.path, &st) < 0)
		return err_sys(err, errno, "disk %s (%s)", p->dev.id, p->dev.disk.path);
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(err, ENOTBLK, "disk %s (%s): is neither a block device nor a file",
			       p->dev.id, p->dev.disk.path);
	p->is_device = S_ISBLK(st.st_mode);
	return 0;
}

static void plug_begin(struct job *job)
{
	struct plug *p = plug_of(job);
	unsigned place = 0;
	int r = look_at(p, &p->err);

	if (r == 0)
		r = find_place(job->jobs, &place, &p->err);
	if (r < 0) {
		give_up(p);
		return;
	}
	p->disk = xcalloc(1, sizeof(*p->disk));
	p->disk->id = xstrdup(p->dev.id);
	p->disk->node = xasprintf("disk-%u", place);
	p->disk->place = place;
	list_add_tail(&job->jobs->disks, &p->disk->link);
	add_node(p);
}

static const struct job_ops plug_ops = { plug_begin, plug_fail, plug_free };

void jobs_plug(struct jobs *jobs, const struct vm_dev *dev, vm_plug_done done, void *arg)
{
	struct plug *p = xcalloc(1, sizeof(*p));

	p->dev = *dev;
	p->dev.id = xstrdup(dev->id);
	p->dev.disk.path = xstrdup(dev->disk.path);
	p->done = done;
	p->arg = arg;
	jobs_add(jobs, &p->job, &plug_ops);
}

/* ---- unplugging --------------------------------------------------------------- */

struct unplug {
	struct job job;
	char *id;
	vm_done done;
	void *arg;
};

static struct unplug *unplug_of(void *job)
{
	return container_of((struct job *)job, struct unplug, job);
}

static void unplug_fail(struct job *job, const struct err *err)
{
	struct unplug *u = unplug_of(job);

	u->done(err, u->arg);
}

static void unplug_free(struct job *job)
{
	struct unplug *u = unplug_of(job);

	free(u->id);
	free(u);
}

static void unplug_end(struct job *job, const struct err *err)
{
	struct unplug *u = unplug_of(job);
	struct err why = ERR_INIT;

	if (err) {
		why = *err;
		err_wrap(&why, "disk %s", u->id);
	}
	u->done(err ? &why : NULL, u->arg);
	job_end(job);
}

static void on_node_gone(const struct err *err, struct json_object *ret, void *arg)
{
	struct job *job = arg;
	struct disk *d = find(job->jobs, unplug_of(job)->id);

	(void)ret;
	/* The guest has lost it in any case; a node that stays keeps its name and place. */
	if (!err && d)
		disk_free(d);
	unplug_end(job, err);
}

static void on_disk_gone(struct job *job, const struct err *err)
{
	struct disk *d = find(job->jobs, unplug_of(job)->id);

	if (err)
		unplug_end(job, err);
	else
		job_command(job, "blockdev-del", job_strings("node-name", d->node, NULL),
			    on_node_gone);
}

static void unplug_begin(struct job *job)
{
	struct unplug *u = unplug_of(job);
	struct disk *d = find(job->jobs, u->id);
	struct err err = ERR_INIT;

	if (d && d->gone) {
		on_disk_gone(job, NULL);
		return;
	}
	if (d && d->present) {
		job_delete_device(job, d->id, on_disk_gone);
		return;
	}
	err_set(&err, ENOENT, "there is none of that name");
	unplug_end(job, &err);
}

static const struct job_ops unplug_ops = { unplug_begin, unplug_fail, unplug_free };

void jobs_unplug(struct jobs *jobs, const char *id, vm_done done, void *arg)
{
	struct unplug *u = xcalloc(1, sizeof(*u));

	u->id = xstrdup(id);
	u->done = done;
	u->arg = arg;
	jobs_add(jobs, &u->job, &unplug_ops);
}
