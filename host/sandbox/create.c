/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container comes to be: state, hooks, its files in the share, the agent. What fails
 * on the way is undone, poststop hooks included.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/core.h"
#include "host/sandbox/empty_dir.h"
#include "host/sandbox/names.h"
#include "host/sandbox/network.h"
#include "oci/spec.h"

/* A container that is being made. */
struct making {
	struct sandbox *sb;
	char *id, *rootfs;
	Grpc__Spec *spec;
	struct sandbox_disk disk; /* the root file system, unless `source` is NULL */
	struct disk_plan disks;
	struct empty_dirs empty_dirs;
	bool own_rootfs;
	unsigned step; /* of the hooks */
	bool synced;   /* the network, with what hooks have changed */
	struct err err;
	sandbox_done done;
	void *arg;
};

/* ---- the end of it --------------------------------------------------------------- */

int create_undo(struct sandbox *sb, const char *id, struct err *err)
{
	struct container *c = container_find(sb, id);
	int r = sb->share ? share_remove(sb->share, id, err) : 0, saved;

	if (c)
		container_free(c);
	state_remove_member(sb->st, id);
	state_remove_container(sb->st, id);
	saved = state_save(sb->st, r < 0 ? NULL : err);
	return r < 0 ? r : saved;
}

static void finish(struct making *m)
{
	struct container *c = container_find(m->sb, m->id);

	if (c)
		c->busy = false;
	/* As the agent takes it: the one that was alone when it was made. */
	if (c && m->err.code == 0 && c->link.next == c->link.prev) {
		free(m->sb->first);
		m->sb->first = xstrdup(m->id);
	}
	call_done(m->sb, m->err.code ? &m->err : NULL, m->done, m->arg);
	grpc__spec__free_unpacked(m->spec, NULL);
	disk_plan_free(&m->disks);
	empty_dirs_free(&m->empty_dirs);
	sandbox_disk_free(&m->disk);
	free(m->rootfs);
	free(m->id);
	free(m);
}

static void on_detached(const struct err *ignored, void *arg)
{
	struct making *m = arg;
	struct err err = ERR_INIT;

	(void)ignored; /* it was told */
	/* What cannot be undone is tried again when the sandbox ends. */
	if (create_undo(m->sb, m->id, &err) < 0)
		log_error("container %s: %s", m->id, err_msg(&err));
	finish(m);
}

static void on_poststopped(const struct err *ignored, void *arg)
{
	struct making *m = arg;
	struct container *c = container_find(m->sb, m->id);

	if (c)
		disks_detach(m->sb, c, on_detached, m);
	else
		on_detached(ignored, m);
}

static void fail(struct making *m, const struct err *err)
{
	struct container *c = container_find(m->sb, m->id);

	m->err = *err;
	if (c)
		hooking_run(c, HOOK_POSTSTOP, on_poststopped, m);
	else
		on_poststopped(NULL, m);
}

/* ---- its files and the agent -------------------------------------------------------- */

static int share_mounts(struct sandbox *sb, const char *id, Grpc__Spec *spec, struct err *err)
{
	struct container *c = container_find(sb, id);

	for (size_t i = 0; i < spec->n_mounts; i++) {
		Grpc__Mount *m = spec->mounts[i];
		auto_free char *guest_path = NULL;
		int r;

		if (!volume_is_ours(m))
			continue;
		r = share_add_bind(sb->share, id, (unsigned)i, m->source, m->destination,
				   plan_mount_read_only(m), &guest_path, err);
		if (r < 0)
			return r;
		if (c) {
			strv_add(&c->shared, m->source);
			strv_add(&c->shared, guest_path);
		}
		plan_set(&m->source, guest_path);
	}
	return 0;
}

static bool lives_in(const struct container *c, const struct stat *pidns)
{
	auto_free char *path = xasprintf("/proc/%d/ns/pid", (int)c->pid);
	struct stat st;

	return c->pid > 0 && stat(path, &st) == 0 && st.st_dev == pidns->st_dev &&
	       st.st_ino == pidns->st_ino;
}

/* In the guest a pid namespace with a path is that of the first container, no other. */
static int check_pidns(const struct making *m, struct err *err)
{
	struct container *first = m->sb->first ? container_find(m->sb, m->sb->first) : NULL;
	const Grpc__Linux *l = m->spec->linux;
	struct stat wanted = { 0 };
	struct list *it;

	for (size_t i = 0; l && i < l->n_namespaces; i++)
		if (!strcmp(l->namespaces[i]->type, "pid") && *l->namespaces[i]->path)
			(void)stat(l->namespaces[i]->path, &wanted);
	if (wanted.st_ino == 0 || (first && lives_in(first, &wanted)))
		return 0;
	list_for_each(it, &m->sb->containers) {
		const struct container *c = container_of(it, struct container, link);

		if (strcmp(c->id, m->id) && lives_in(c, &wanted))
			return err_set(err, EOPNOTSUPP,
				       "linux.namespaces: only the pid namespace of the sandbox's "
				       "first container can be shared, not that of %s",
				       c->id);
	}
	return 0;
}

static int apply(struct making *m, bool *sandbox_pidns, struct err *err)
{
	struct sandbox *sb = m->sb;
	bool disk = m->disk.source || root_is_image(sb, &m->disk);
	auto_free char *guest_rootfs =
		disk ? xasprintf(DISK_GUEST_ROOT "%s", m->id) : share_guest_rootfs(m->id);
	int r = 0;

	/* While hooks ran it may have ended. */
	if (sb->phase != PHASE_RUNNING)
		return err_set(err, sb->why.code, "%s", sb->why.msg);
	r = check_pidns(m, err);
	if (r == 0 && !disk)
		r = m->own_rootfs ? share_add_own_rootfs(sb->share, m->id, m->rootfs, err) :
				    share_add_rootfs(sb->share, m->id, m->rootfs, err);
	if (r == 0 && sb->share)
		r = share_mounts(sb, m->id, m->spec, err);
	return r < 0 ? r : plan_container(&sb->guest, guest_rootfs, m->spec, sandbox_pidns, err);
}

static void on_created(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	(void)rsp;
	if (err)
		fail(arg, err);
	else
		finish(arg);
}

static void send_create(struct making *m, bool sandbox_pidns)
{
	Grpc__CreateContainerRequest req = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	struct sandbox *sb = m->sb;

	req.container_id = m->id;
	req.exec_id = m->id;
	req.oci = m->spec;
	req.sandbox_pidns = sandbox_pidns;
	disk_plan_request(&m->disks, m->id, &req);
	empty_dirs_request(&m->empty_dirs, &req);
	call_agent(sb, "CreateContainer", &req.base,
		   sb->config->runtime.create_container_timeout * 1000, on_created, m);
	disk_plan_unrequest(&req);
}

static void on_volumes(const struct err *why, void *arg)
{
	struct making *m = arg;
	bool sandbox_pidns = false;
	struct err err = ERR_INIT;

	if (why)
		err = *why;
	if (why || apply(m, &sandbox_pidns, &err) < 0)
		fail(m, &err);
	else
		send_create(m, sandbox_pidns);
}

/* Files that the guest does not see here are taken there. */
static void on_sized(const struct err *why, void *arg)
{
	struct making *m = arg;
	struct sandbox *sb = m->sb;
	struct container *c = container_find(sb, m->id);
	const struct source_place place = root_place(sb);
	bool copied = !sb->share;

	if (why || !c || sb->phase != PHASE_RUNNING) {
		on_volumes(why, m);
		return;
	}
	empty_dirs_take(&place, m->spec, copied || !sb->config->runtime.disable_guest_empty_dir,
			sb->memory << 20, &m->empty_dirs);
	if (copied)
		volumes_copy(sb, c, &place, m->spec, on_volumes, m);
	else
		on_volumes(NULL, m);
}

static void on_attached(const struct err *err, void *arg)
{
	struct making *m = arg;

	if (err)
		fail(m, err);
	else
		resize_sandbox(m->sb, on_sized, m);
}

/* Who asks for one of its volumes by path is told of the guest, and of this sandbox. */
static int note_volumes(struct making *m, struct container *c, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->disks.n; i++) {
		const struct disk_want *w = &m->disks.v[i];

		if (w->use != DISK_VOLUME)
			continue;
		strv_add(&c->shared, w->source);
		strv_add(&c->shared, w->mount_point);
		r = direct_volume_join(DIRECT_VOLUMES, w->source, m->sb->st->id, err);
	}
	return r;
}

/* A local agent has the host's devices itself. */
static void attach(struct making *m)
{
	struct container *c = container_find(m->sb, m->id);
	struct err err = ERR_INIT;

	if (!c || m->sb->caps & HV_CAP_LOCAL)
		on_attached(NULL, m);
	else if (disk_plan(&m->disk, &c->image, m->sb->caps & (HV_CAP_BLOCK_HOTPLUG | HV_CAP_BLOCK),
			   m->spec, &m->disks, &err) < 0 ||
		 note_volumes(m, c, &err) < 0)
		fail(m, &err);
	else
		disks_attach(m->sb, c, &m->disks, on_attached, m);
}

static void on_rooted(const struct err *err, void *arg)
{
	if (err)
		fail(arg, err);
	else
		attach(arg);
}

/* What hooks changed in it belongs to the root, too. */
static void take_root(struct making *m)
{
	struct container *c = container_find(m->sb, m->id);
	struct sandbox *sb = m->sb;

	if (!c || sb->phase != PHASE_RUNNING || !root_is_image(sb, &m->disk)) {
		attach(m);
	} else if (sb->boot_image.n > 0) {
		/* It is the first one: the machine has it already. */
		c->image = sb->boot_image;
		sb->boot_image.n = 0;
		attach(m);
	} else {
		root_prepare(sb, m->id, m->rootfs, m->own_rootfs,
			     !(m->spec->root && m->spec->root->readonly), on_rooted, m);
	}
}

/* ---- hooks ---------------------------------------------------------------------------- */

static void go_on(struct making *m);

static void on_hooks(const struct err *err, void *arg)
{
	if (err)
		fail(arg, err);
	else
		go_on(arg);
}

static void go_on(struct making *m)
{
	static const enum hook_kind order[] = { HOOK_PRESTART, HOOK_CREATE_RUNTIME,
						HOOK_CREATE_CONTAINER };

	/* An engine may give the pod its network only now. */
	if (m->step == 2 && !m->synced) {
		m->synced = true;
		network_sync(m->sb, on_hooks, m);
		return;
	}
	if (m->step < ARRAY_SIZE(order)) {
		struct container *c = container_find(m->sb, m->id);

		hooking_run(c, order[m->step++], on_hooks, m);
		return;
	}
	take_root(m);
}

/* ---- the beginning ---------------------------------------------------------------------- */

/* Into the state, as `state` and `list` show it. */
static int record(struct sandbox *sb, const struct sandbox_container *new, const Grpc__Spec *spec,
		  struct err *err)
{
	struct state_container *c = state_add_container(sb->st, new->id);
	char now[sizeof("2000-01-01T00:00:00Z")];
	time_t t = time(NULL);
	struct tm tm;
	int r;

	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	c->bundle = xstrdup(new->bundle);
	c->rootfs = xstrdup(new->rootfs);
	c->status = xstrdup("creating");
	c->created = xstrdup(now);
	oci_spec_annotations(spec, &c->annotations);
	r = state_save(sb->st, err);
	return r < 0 ? r : state_add_member(sb->st, new->id, err);
}

static int check_new(struct sandbox *sb, const struct sandbox_container *new, struct err *err)
{
	const char *id = new->id;
	int r = state_check_id(id, err);

	if (r < 0)
		return r;
	if (sb->phase != PHASE_RUNNING)
		return sb->why.code ? err_set(err, sb->why.code, "%s", sb->why.msg) :
				      err_set(err, ENOTCONN, "the sandbox is not running");
	if (container_find(sb, id))
		return err_set(err, EEXIST, "container %s already exists", id);
	if (!sb->share && !new->disk && !(sb->caps & (HV_CAP_BLOCK | HV_CAP_BLOCK_HOTPLUG)))
		return err_set(
			err, ENOTSUP,
			"hypervisor \"%s\" shares no directory and takes no disks here "
			"(shared_fs, machine_type, block_device_driver): there is no way for "
			"a root file system",
			sb->ops->name);
	return 0;
}

static char *network_path(const Grpc__Spec *spec)
{
	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = spec->linux->namespaces[i];

		if (!strcmp(ns->type, "network") && *ns->path)
			return xstrdup(ns->path);
	}
	return NULL;
}

static void enter(struct sandbox *sb, const struct sandbox_container *new, Grpc__Spec *spec)
{
	struct container *c = xcalloc(1, sizeof(*c));

	c->sb = sb;
	c->id = xstrdup(new->id);
	c->bundle = xstrdup(new->bundle);
	c->pid = new->pid;
	c->netns = network_path(spec);
	c->resolv_conf = names_source(spec);
	c->hooks = plan_take_hooks(spec);
	c->busy = true;
	if (spec->linux)
		load_merge(&c->limits, spec->linux->resources);
	list_init(&c->processes);
	list_add_tail(&sb->containers, &c->link);
	process_new(c, new->id);
}

void sandbox_create_container(struct sandbox *sb, const struct sandbox_container *new,
			      Grpc__Spec *spec, sandbox_done done, void *arg)
{
	struct err err = ERR_INIT;
	struct making *m;

	if (check_new(sb, new, &err) < 0) {
		call_done(sb, &err, done, arg);
		grpc__spec__free_unpacked(spec, NULL);
		return;
	}
	m = xcalloc(1, sizeof(*m));
	m->sb = sb;
	m->id = xstrdup(new->id);
	m->rootfs = xstrdup(new->rootfs);
	m->own_rootfs = new->own_rootfs;
	m->spec = spec;
	if (new->disk)
		sandbox_disk_copy(&m->disk, new->disk);
	m->done = done;
	m->arg = arg;
	if (!list_empty(&sb->containers))
		network_admit(sb, new->id, spec);
	enter(sb, new, spec);
	if (record(sb, new, spec, &err) < 0)
		fail(m, &err);
	else
		go_on(m);
}

void sandbox_cancel_container(struct sandbox *sb, const char *id, const struct err *why)
{
	struct container *c = container_find(sb, id);

	if (c && c->busy)
		hooking_cancel(sb, c, why);
}
