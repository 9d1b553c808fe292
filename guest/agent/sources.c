/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "guest/agent/devices.h"
#include "guest/agent/mount_options.h"
#include "guest/agent/mounts.h"
#include "guest/agent/userns.h"

/* The namespace whose mappings the mount takes: one of its own, or the container's. */
static int mapping_of(const Grpc__Mount *m, const Grpc__Linux *spec, const struct ns_plan *ns,
		      struct err *err)
{
	struct userns_map map = { m->uidmappings, m->gidmappings, m->n_uidmappings,
				  m->n_gidmappings };
	int fd;

	if (map.n_uids > 0 && map.n_gids > 0)
		return userns_make(&map, err);
	if (map.n_uids > 0 || map.n_gids > 0)
		return err_set(err, EINVAL, "uidMappings and gidMappings go together");
	if (ns->join[NS_USER] >= 0) {
		fd = fcntl(ns->join[NS_USER], F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_sys(err, errno, "the container's user namespace") : fd;
	}
	if (!(ns->create & ns_flag(NS_USER)))
		return err_set(err, EINVAL, "idmap without mappings and without a user namespace");
	map = (struct userns_map){ spec->uidmappings, spec->gidmappings, spec->n_uidmappings,
				   spec->n_gidmappings };
	return userns_make(&map, err);
}

static bool has_userns(const struct ns_plan *ns)
{
	return ns->create & ns_flag(NS_USER) || ns->join[NS_USER] >= 0;
}

static bool is_bind(const Grpc__Mount *m, const struct mount_options *o)
{
	return o->bind || !strcmp(m->type, "bind");
}

static bool is_mapped(const Grpc__Mount *m, const struct mount_options *o)
{
	return o->idmap || m->n_uidmappings > 0 || m->n_gidmappings > 0;
}

static int open_one(const Grpc__Mount *m, const struct mount_options *o, struct err *err)
{
	/* As in the container's own namespace: what it mounts is not to come back. */
	const struct mount_options slave = { .propagation = MS_SLAVE, .propagation_rec = true };
	auto_close int fd = -1;
	int r;

	if (m->source[0] != '/')
		return err_set(err, EINVAL, "source \"%s\" is no absolute path", m->source);
	fd = mount_copy(AT_FDCWD, m->source, o->recursive, err);
	if (fd < 0)
		return fd;
	r = mount_change(fd, &slave, err);
	return r < 0 ? r : take_fd(&fd);
}

static int map_one(int fd, const Grpc__Mount *m, bool recursive, int users, struct err *err)
{
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)users };

	if (mount_setattr(fd, "", flags, &attr, sizeof(attr)) == 0)
		return 0;
	return err_sys(err, errno,
		       errno == EINVAL ? "%s: its file system cannot map IDs" : "%s: map IDs",
		       m->source);
}

/* The source of @m, or -1 when the child finds it itself. @err tells failures. */
static int source_of(const Grpc__Mount *m, const struct mount_options *o, const Grpc__Spec *spec,
		     const struct ns_plan *ns, struct err *err)
{
	bool mapped = is_mapped(m, o);
	auto_close int users = -1, fd = -1;

	if (mapped && !is_bind(m, o))
		err_set(err, EINVAL, "only a bind can map IDs");
	else if (mapped)
		users = mapping_of(m, spec->linux, ns, err);
	if (err->code || !is_bind(m, o) || (!mapped && !has_userns(ns)))
		return -1;
	fd = open_one(m, o, err);
	if (fd < 0 || (mapped && map_one(fd, m, o->idmap_rec, users, err) < 0))
		return -1;
	return take_fd(&fd);
}

/* Who @id of the container is outside of it; itself without mappings that are known here. */
static uint32_t outside(uint32_t id, Grpc__LinuxIDMapping *const *maps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (id >= maps[i]->containerid && id - maps[i]->containerid < maps[i]->size)
			return maps[i]->hostid + (id - maps[i]->containerid);
	return id;
}

/* A node of device @d in the directory @dir, as a mount. */
static int node_of(const char *dir, size_t i, const Grpc__LinuxDevice *d, const Grpc__Linux *spec,
		   struct err *err)
{
	const struct mount_options o = { .set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
	auto_free char *path = xasprintf("%s/%zu", dir, i);
	mode_t type = !strcmp(d->type, "b") ? S_IFBLK : S_IFCHR, mode = d->filemode & 07777;
	auto_close int fd = -1;
	dev_t number;

	if (device_number(d, &number, err) < 0)
		return -1;
	if (mode == 0)
		mode = 0666;
	if (mknod(path, type, number) < 0 ||
	    chown(path, outside(d->uid, spec->uidmappings, spec->n_uidmappings),
		  outside(d->gid, spec->gidmappings, spec->n_gidmappings)) < 0 ||
	    chmod(path, mode) < 0)
		return err_sys(err, errno, "device %s", d->path);
	fd = mount_copy(AT_FDCWD, path, false, err);
	if (fd < 0 || mount_change(fd, &o, err) < 0) {
		err_wrap(err, "device %s", d->path);
		return -1;
	}
	return take_fd(&fd);
}

static bool is_node(const Grpc__LinuxDevice *d)
{
	return !strcmp(d->type, "b") || !strcmp(d->type, "c") || !strcmp(d->type, "u");
}

size_t sources_count(const Grpc__Spec *spec)
{
	return spec->n_mounts + (spec->linux ? spec->linux->n_devices : 0);
}

void sources_done(int *sources, size_t n)
{
	for (size_t i = 0; sources && i < n; i++)
		close_fd(&sources[i]);
	free(sources);
}

static size_t count_nodes(const Grpc__Linux *spec)
{
	size_t n = 0;

	for (size_t i = 0; spec && i < spec->n_devices; i++)
		n += is_node(spec->devices[i]);
	return n;
}

/*
 * Those of the devices, into @fds. They lie in a file system of their own, which is gone from
 * here when all are made, and for good with the last of them.
 */
static bool open_nodes(const Grpc__Linux *spec, int *fds, struct err *err)
{
	char dir[] = "/run/kata-nodes-XXXXXX";
	bool any = false;

	if (!mkdtemp(dir)) {
		err_sys(err, errno, "%s", dir);
		return false;
	}
	if (mount("kata-nodes", dir, "tmpfs", 0, "mode=0700,size=64k") < 0)
		err_sys(err, errno, "%s: mount a tmpfs", dir);
	for (size_t i = 0; err->code == 0 && i < spec->n_devices; i++) {
		if (is_node(spec->devices[i]))
			fds[i] = node_of(dir, i, spec->devices[i], spec, err);
		any = any || fds[i] >= 0;
	}
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
	return any;
}

int sources_open(const Grpc__Spec *spec, const struct ns_plan *ns, int **sources, struct err *err)
{
	int *fds = xcalloc(sources_count(spec) + 1, sizeof(*fds));
	bool any = false;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		const Grpc__Mount *m = spec->mounts[i];
		struct mount_options o;

		fds[i] = -1;
		if (err->code)
			continue;
		mount_options_parse(m->options, m->n_options, &o);
		fds[i] = source_of(m, &o, spec, ns, err);
		mount_options_done(&o);
		any = any || fds[i] >= 0;
		if (err->code)
			err_wrap(err, "mount %s", m->destination);
	}
	for (size_t i = spec->n_mounts; i < sources_count(spec); i++)
		fds[i] = -1;
	if (!err->code && has_userns(ns) && count_nodes(spec->linux) > 0)
		any = open_nodes(spec->linux, fds + spec->n_mounts, err) || any;
	if (!any || err->code) {
		sources_done(fds, sources_count(spec));
		fds = NULL;
	}
	*sources = fds;
	return err->code;
}
