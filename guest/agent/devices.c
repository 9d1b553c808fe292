/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "guest/agent/inroot.h"
#include "guest/agent/mount_options.h"
#include "guest/agent/mounts.h"

struct device {
	int source; /* in a user namespace: its node of sources_open(), or -1: the guest's own */
	const char *path;
	mode_t mode; /* with the type */
	dev_t number;
	uid_t uid;
	gid_t gid;
};

static int bind_node(int root, const struct device *d, struct err *err)
{
	const struct mount_options o = { .set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
	auto_close int target = inroot_make(root, d->path, false, err), own = -1;

	if (target < 0)
		return target;
	if (d->source >= 0)
		return mount_attach(d->source, target, d->path, err);
	own = mount_copy(AT_FDCWD, d->path, false, err);
	if (own < 0 || mount_change(own, &o, err) < 0)
		return err_wrap(err, "device %s", d->path);
	return mount_attach(own, target, d->path, err);
}

static int make_node(int root, const struct device *d, struct err *err)
{
	auto_free char *name = NULL;
	auto_close int dir = inroot_make_parent(root, d->path, &name, err);
	struct stat st;

	if (dir < 0)
		return dir;
	if (mknodat(dir, name, d->mode, d->number) < 0 && errno != EEXIST)
		return err_sys(err, errno, "device %s", d->path);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "device %s", d->path);
	if ((st.st_mode & S_IFMT) != (d->mode & S_IFMT) ||
	    (!S_ISFIFO(st.st_mode) && st.st_rdev != d->number))
		return err_set(err, EEXIST, "device %s: there is something else already", d->path);
	/* The type was just checked to be no link, and nobody else is in here yet. */
	if (fchmodat(dir, name, d->mode & 07777, 0) < 0 ||
	    fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "device %s", d->path);
	return 0;
}

static int make(int root, const struct device *d, bool userns, struct err *err)
{
	return userns && !S_ISFIFO(d->mode) ? bind_node(root, d, err) : make_node(root, d, err);
}

static int make_defaults(int root, bool userns, struct err *err)
{
	static const struct {
		const char *path;
		unsigned minor, major;
	} defaults[] = {
		{ "/dev/null", 3, 1 },	 { "/dev/zero", 5, 1 },	   { "/dev/full", 7, 1 },
		{ "/dev/random", 8, 1 }, { "/dev/urandom", 9, 1 }, { "/dev/tty", 0, 5 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		struct device d = {
			.source = -1,
			.path = defaults[i].path,
			.mode = S_IFCHR | 0666,
			.number = makedev(defaults[i].major, defaults[i].minor),
		};
		int r = make(root, &d, userns, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* include/linux/kdev_t.h: 12 bits and 20. */
int device_number(const Grpc__LinuxDevice *d, dev_t *number, struct err *err)
{
	if (d->major < 0 || d->major > 0xfff || d->minor < 0 || d->minor > 0xfffff)
		return err_set(err, EINVAL,
			       "device %s: no device has the number %" PRId64 ":%" PRId64, d->path,
			       d->major, d->minor);
	*number = makedev((unsigned)d->major, (unsigned)d->minor);
	return 0;
}

static int make_spec_device(int root, const Grpc__LinuxDevice *s, bool userns, int source,
			    struct err *err)
{
	struct device d = {
		.source = source,
		.path = s->path,
		.mode = s->filemode & 07777,
		.uid = s->uid,
		.gid = s->gid,
	};

	if (!strcmp(s->type, "c") || !strcmp(s->type, "u"))
		d.mode |= S_IFCHR;
	else if (!strcmp(s->type, "b"))
		d.mode |= S_IFBLK;
	else if (!strcmp(s->type, "p"))
		d.mode |= S_IFIFO;
	else
		return err_set(err, EINVAL, "device %s: unknown type \"%s\"", s->path, s->type);
	if ((d.mode & 07777) == 0)
		d.mode |= 0666;
	if (!S_ISFIFO(d.mode) && device_number(s, &d.number, err) < 0)
		return err->code;
	return make(root, &d, userns, err);
}

static int make_link(int root, const char *path, const char *target, struct err *err)
{
	auto_free char *name = NULL;
	auto_close int dir = inroot_make_parent(root, path, &name, err);

	if (dir < 0)
		return dir;
	if (symlinkat(target, dir, name) < 0 && errno != EEXIST)
		return err_sys(err, errno, "link %s", path);
	return 0;
}

/* The devpts of the container has its own ptmx; a node of the guest's must not stay. */
static int make_ptmx(int root, struct err *err)
{
	auto_free char *name = NULL;
	auto_close int dir = inroot_make_parent(root, "/dev/ptmx", &name, err);

	if (dir < 0)
		return dir;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "/dev/ptmx");
	if (symlinkat("pts/ptmx", dir, name) < 0)
		return err_sys(err, errno, "/dev/ptmx");
	return 0;
}

int devices_make(int root, const Grpc__Linux *linux_spec, bool userns, const int *sources,
		 struct err *err)
{
	static const char *const links[][2] = {
		{ "/dev/fd", "/proc/self/fd" },
		{ "/dev/stdin", "/proc/self/fd/0" },
		{ "/dev/stdout", "/proc/self/fd/1" },
		{ "/dev/stderr", "/proc/self/fd/2" },
	};
	int r = make_defaults(root, userns, err);

	for (size_t i = 0; r == 0 && linux_spec && i < linux_spec->n_devices; i++) {
		/* Engines list the links' places and the defaults too. */
		if (strcmp(linux_spec->devices[i]->path, "/dev/ptmx"))
			r = make_spec_device(root, linux_spec->devices[i], userns,
					     sources ? sources[i] : -1, err);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(links); i++)
		r = make_link(root, links[i][0], links[i][1], err);
	if (r == 0 && access("/proc/kcore", F_OK) == 0) /* not every kernel has it */
		r = make_link(root, "/dev/core", "/proc/kcore", err);
	return r < 0 ? r : make_ptmx(root, err);
}
