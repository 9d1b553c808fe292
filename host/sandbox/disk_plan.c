/* SPDX-License-Identifier: Apache-2.0 */
/* Which disks a specification asks for. Looks at device nodes, changes nothing but @spec. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/sandbox/disk.h"
#include "host/sandbox/plan.h"
#include "host/storage/disk.h"
#include "oci/spec.h"

bool sandbox_takes_disks(const struct config *config, bool first)
{
	const struct hypervisor_ops *ops = hypervisor_find(config->hypervisor.name, NULL);
	unsigned needed = HV_CAP_BLOCK_HOTPLUG | (first ? HV_CAP_BLOCK : 0);

	return ops && !config->hypervisor.disable_block_device_use &&
	       hypervisor_caps(ops, config) & needed;
}

static struct disk_want *add(struct disk_plan *plan)
{
	struct disk_want *v = xcalloc(plan->n + 1, sizeof(*v));

	for (size_t i = 0; i < plan->n; i++)
		v[i] = plan->v[i];
	free(plan->v);
	plan->v = v;
	v[plan->n].fd = -1;
	return &plan->v[plan->n++];
}

void disk_plan_free(struct disk_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		free(plan->v[i].path);
		free(plan->v[i].device);
		free(plan->v[i].source);
		free(plan->v[i].mount_point);
		direct_volume_release(&plan->v[i].volume);
	}
	free(plan->v);
	sandbox_disk_free(&plan->root);
	*plan = (struct disk_plan){ .v = NULL };
}

/* A rule that allows everything: the container is to be as the host. */
static bool is_privileged(const Grpc__Spec *spec)
{
	const Grpc__LinuxResources *res = spec->linux ? spec->linux->resources : NULL;

	for (size_t i = 0; res && i < res->n_devices; i++) {
		const Grpc__LinuxDeviceCgroup *d = res->devices[i];

		if (d->allow && (!*d->type || !strcmp(d->type, "a")) && strchr(d->access, 'w'))
			return true;
	}
	return false;
}

/* The device's rule lets it be read and not be written. */
static bool rule_is_read_only(const Grpc__Spec *spec, const Grpc__LinuxDevice *dev)
{
	const Grpc__LinuxResources *res = spec->linux->resources;
	bool ro = false;

	for (size_t i = 0; res && i < res->n_devices; i++) {
		const Grpc__LinuxDeviceCgroup *d = res->devices[i];

		if (d->allow && !strcmp(d->type, "b") && d->major == dev->major &&
		    d->minor == dev->minor)
			ro = *d->access && !strchr(d->access, 'w');
	}
	return ro;
}

static int add_device(const Grpc__Spec *spec, const Grpc__LinuxDevice *dev, bool read_only,
		      struct disk_plan *plan, struct err *err)
{
	char *path = NULL;
	int r = disk_path(dev->major, dev->minor, &path, err);
	struct disk_want *w;

	if (r < 0)
		return err_wrap(err, "device %s", dev->path);
	w = add(plan);
	w->use = DISK_DEVICE;
	w->path = path;
	w->device = xstrdup(dev->path);
	w->read_only =
		read_only || rule_is_read_only(spec, dev) || disk_read_only(dev->major, dev->minor);
	return 0;
}

/* Take the @i-th device out of @spec. */
static void drop_device(Grpc__Spec *spec, size_t i)
{
	Grpc__Linux *l = spec->linux;

	grpc__linux_device__free_unpacked(l->devices[i], NULL);
	memmove(&l->devices[i], &l->devices[i + 1], (l->n_devices - i - 1) * sizeof(*l->devices));
	l->n_devices--;
}

static int cannot_plug(const char *what, const char *path, struct err *err)
{
	return err_set(err, ENOTSUP,
		       "%s %s: is a block device of the host, and no disk can be plugged into this "
		       "machine (machine_type, block_device_driver, default_bridges)",
		       what, path);
}

static int plan_devices(bool can_plug, Grpc__Spec *spec, struct disk_plan *plan, struct err *err)
{
	bool privileged = is_privileged(spec);

	for (size_t i = 0; spec->linux && i < spec->linux->n_devices;) {
		const Grpc__LinuxDevice *dev = spec->linux->devices[i];
		int r;

		if (strcmp(dev->type, "b") != 0) {
			i++;
			continue;
		}
		if (privileged) {
			log_info("device %s: a privileged container gets no disks of the host",
				 dev->path);
			drop_device(spec, i);
			continue;
		}
		r = can_plug ? add_device(spec, dev, false, plan, err) :
			       cannot_plug("device", dev->path, err);
		if (r < 0)
			return r;
		i++;
	}
	return 0;
}

static Grpc__LinuxDevice *device_of(const Grpc__Mount *m, const struct stat *st)
{
	Grpc__LinuxDevice *dev = xmalloc(sizeof(*dev));

	grpc__linux_device__init(dev);
	plan_set(&dev->path, m->destination);
	plan_set(&dev->type, "b");
	dev->major = major(st->st_rdev);
	dev->minor = minor(st->st_rdev);
	dev->filemode = st->st_mode & 07777;
	dev->uid = st->st_uid;
	dev->gid = st->st_gid;
	return dev;
}

/* The mount at @i of @spec becomes a device. */
static int convert(Grpc__Spec *spec, size_t i, const struct stat *st, struct disk_plan *plan,
		   struct err *err)
{
	Grpc__Mount *m = spec->mounts[i];
	Grpc__LinuxDevice *dev = device_of(m, st), **devices;
	bool read_only = plan_mount_read_only(m);
	Grpc__Linux *l = spec->linux;

	devices = xcalloc(l->n_devices + 1, sizeof(*devices));
	for (size_t j = 0; j < l->n_devices; j++)
		devices[j] = l->devices[j];
	devices[l->n_devices++] = dev;
	free(l->devices);
	l->devices = devices;
	grpc__mount__free_unpacked(m, NULL);
	memmove(&spec->mounts[i], &spec->mounts[i + 1],
		(spec->n_mounts - i - 1) * sizeof(*spec->mounts));
	spec->n_mounts--;
	return add_device(spec, dev, read_only, plan, err);
}

static bool has_word(const struct strv *words, const char *word)
{
	for (size_t i = 0; i < words->n; i++)
		if (!strcmp(words->v[i], word))
			return true;
	return false;
}

static int cannot_mount(const Grpc__Mount *m, const char *device, struct err *err)
{
	return err_set(err, ENOTSUP,
		       "mount %s: %s is the direct volume %s, and no disk can be plugged into this "
		       "machine (machine_type, block_device_driver, default_bridges)",
		       m->destination, m->source, device);
}

/* 1: @m is a direct volume, and planned. 0: it is none. */
static int plan_volume(bool can_plug, Grpc__Mount *m, struct disk_plan *plan, struct err *err)
{
	auto_free char *name = NULL;
	struct direct_volume v;
	struct disk_want *w;
	int r = direct_volume_load(DIRECT_VOLUMES, m->source, &v, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_wrap(err, "mount %s", m->destination);
	if (!can_plug) {
		r = cannot_mount(m, v.device, err);
		direct_volume_release(&v);
		return r;
	}
	name = direct_volume_name(m->source);
	w = add(plan);
	w->use = DISK_VOLUME;
	w->path = xstrdup(v.device);
	w->read_only = plan_mount_read_only(m) || has_word(&v.options, "ro");
	w->source = xstrdup(m->source);
	w->mount_point = xasprintf(DISK_GUEST_VOLUMES "%s", name);
	w->volume = v;
	plan_set(&m->source, w->mount_point);
	return 1;
}

static int plan_mounts(bool can_plug, Grpc__Spec *spec, struct disk_plan *plan, struct err *err)
{
	for (size_t i = 0; spec->linux && i < spec->n_mounts;) {
		Grpc__Mount *m = spec->mounts[i];
		struct stat st;
		int r = oci_mount_is_bind(m) ? plan_volume(can_plug, m, plan, err) : 0;

		if (r < 0)
			return r;
		if (r > 0 || !oci_mount_is_bind(m) || stat(m->source, &st) < 0 ||
		    !S_ISBLK(st.st_mode)) {
			i++;
			continue;
		}
		r = can_plug ? convert(spec, i, &st, plan, err) :
			       cannot_plug("mount", m->destination, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void add_image(const struct image_root *image, struct disk_plan *plan)
{
	for (unsigned i = 0; i < image->n; i++) {
		bool writable = image->writable && i + 1 == image->n;
		struct disk_want *w = add(plan);

		w->use = writable ? DISK_UPPER : DISK_LOWER;
		w->path = xstrdup(image->disks[i].path);
		w->fd = image->disks[i].fd;
		w->read_only = !writable;
	}
}

int disk_plan(const struct sandbox_disk *root, const struct image_root *image, bool can_plug,
	      Grpc__Spec *spec, struct disk_plan *plan, struct err *err)
{
	struct disk_want *w;
	int r;

	*plan = (struct disk_plan){ .v = NULL };
	if (root && root->source) {
		if (!can_plug)
			return cannot_plug("root file system", root->source, err);
		sandbox_disk_copy(&plan->root, root);
		w = add(plan);
		w->path = xstrdup(root->source);
		w->read_only = root->read_only;
	} else if (image && image->n > 0) {
		if (!can_plug)
			return cannot_plug("root file system", image->disks[0].path, err);
		add_image(image, plan);
	}
	r = plan_devices(can_plug, spec, plan, err);
	return r < 0 ? r : plan_mounts(can_plug, spec, plan, err);
}

/* ---- the agent's words ------------------------------------------------------------ */

/* The names of a storage's driver and of a device's type are the same. */
static const char *driver_of(const struct vm_place *at)
{
	static const char *const names[] = {
		[VM_PLACE_PCI] = "blk",
		[VM_PLACE_SCSI] = "scsi",
		[VM_PLACE_NODE] = "mmioblk",
	};

	return names[at->type];
}

/* Several are one mount: the agent's name for that is "multi-layer". */
static Grpc__Storage *new_root(const struct disk_plan *plan, const struct disk_want *w,
			       const char *id)
{
	auto_free char *mount_point = xasprintf(DISK_GUEST_ROOT "%s", id);
	Grpc__Storage *s = xmalloc(sizeof(*s));
	struct strv options = { NULL, 0 };
	bool upper = w->use == DISK_UPPER;

	grpc__storage__init(s);
	plan_set(&s->driver, driver_of(&w->at));
	plan_set(&s->source, w->at.at);
	plan_set(&s->mount_point, mount_point);
	if (w->use == DISK_ROOT) {
		plan_set(&s->fstype, plan->root.fstype);
		for (size_t i = 0; i < plan->root.options.n; i++)
			strv_add(&options, plan->root.options.v[i]);
	} else {
		plan_set(&s->fstype, upper ? "ext4" : "erofs");
		strv_add(&options, "X-kata.multi-layer=true");
		strv_add(&options, upper ? "X-kata.overlay-upper" : "X-kata.overlay-lower");
	}
	s->n_options = options.n;
	s->options = options.v;
	return s;
}

static Grpc__Storage *new_volume(const struct disk_want *w)
{
	Grpc__Storage *s = xmalloc(sizeof(*s));
	struct strv options = { NULL, 0 };

	grpc__storage__init(s);
	plan_set(&s->driver, driver_of(&w->at));
	plan_set(&s->source, w->at.at);
	plan_set(&s->mount_point, w->mount_point);
	plan_set(&s->fstype, *w->volume.fstype ? w->volume.fstype : "ext4");
	for (size_t i = 0; i < w->volume.options.n; i++)
		strv_add(&options, w->volume.options.v[i]);
	if (w->read_only && !has_word(&options, "ro"))
		strv_add(&options, "ro");
	s->n_options = options.n;
	s->options = options.v;
	if (w->volume.has_group) {
		s->fs_group = xmalloc(sizeof(*s->fs_group));
		grpc__fsgroup__init(s->fs_group);
		s->fs_group->group_id = w->volume.group;
		s->fs_group->group_change_policy =
			w->volume.on_mismatch ? TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch :
						TYPES__FSGROUP_CHANGE_POLICY__Always;
	}
	return s;
}

static Grpc__Device *new_device(const struct disk_want *w)
{
	Grpc__Device *d = xmalloc(sizeof(*d));

	grpc__device__init(d);
	plan_set(&d->type, driver_of(&w->at));
	plan_set(w->at.type == VM_PLACE_NODE ? &d->vm_path : &d->id, w->at.at);
	plan_set(&d->container_path, w->device);
	return d;
}

void disk_plan_request(const struct disk_plan *plan, const char *id,
		       Grpc__CreateContainerRequest *req)
{
	req->storages = xcalloc(plan->n + 1, sizeof(*req->storages));
	req->devices = xcalloc(plan->n + 1, sizeof(*req->devices));
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->v[i].use == DISK_DEVICE)
			req->devices[req->n_devices++] = new_device(&plan->v[i]);
		else if (plan->v[i].use == DISK_VOLUME)
			req->storages[req->n_storages++] = new_volume(&plan->v[i]);
		else
			req->storages[req->n_storages++] = new_root(plan, &plan->v[i], id);
	}
}

void disk_plan_unrequest(Grpc__CreateContainerRequest *req)
{
	for (size_t i = 0; i < req->n_storages; i++)
		grpc__storage__free_unpacked(req->storages[i], NULL);
	for (size_t i = 0; i < req->n_devices; i++)
		grpc__device__free_unpacked(req->devices[i], NULL);
	free(req->storages);
	free(req->devices);
	req->n_storages = req->n_devices = 0;
}
