/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/agent/devices.h"
#include "guest/agent/inroot.h"
#include "guest/agent/label.h"
#include "guest/agent/mounts.h"

/* Whether the specification binds a ready /dev, in which nothing is ours to make. */
static bool dev_is_bound(const Grpc__Spec *spec)
{
	bool bound = false;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		const Grpc__Mount *m = spec->mounts[i];
		struct mount_options o;

		if (strcmp(m->destination, "/dev") && strcmp(m->destination, "/dev/"))
			continue;
		mount_options_parse(m->options, m->n_options, &o);
		bound = o.bind || !strcmp(m->type, "bind");
		mount_options_done(&o);
	}
	return bound;
}

/*
 * A copy of the root, the working directory, with all below it over its own
 * place: pivot_root() wants a mount. @path is for messages.
 */
static int attach_root(const char *path, struct err *err)
{
	struct mount_options slave = { .propagation = MS_SLAVE, .propagation_rec = true };
	auto_close int here = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), place = -1, tree = -1;
	int r;

	if (here < 0)
		return err_sys(err, errno, "/");
	/* Nothing that is mounted from here on may appear outside. */
	r = mount_change(here, &slave, err);
	if (r < 0)
		return r;
	place = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC); /* see launch_clone() */
	if (place < 0)
		return err_sys(err, errno, "root %s", path);
	tree = mount_copy(place, "", true, err);
	if (tree < 0)
		return err_wrap(err, "root %s", path);
	r = mount_attach(tree, place, path, err);
	return r < 0 ? r : take_fd(&tree);
}

int rootfs_build(const struct launch *l, struct err *err)
{
	const Grpc__Spec *spec = l->spec;
	const char *label = label_of_mounts(spec->linux);
	auto_close int root = attach_root(spec->root->path, err);
	int r;

	if (root < 0)
		return root;
	for (size_t i = 0; i < spec->n_mounts; i++) {
		r = mount_spec(root, spec->mounts[i], l->sources ? l->sources[i] : -1, label, err);
		if (r < 0)
			return r;
	}
	if (!dev_is_bound(spec)) {
		r = devices_make(root, spec->linux, l->userns,
				 l->sources ? l->sources + spec->n_mounts : NULL, err);
		if (r < 0)
			return r;
	}
	return take_fd(&root);
}

int rootfs_enter(int root, const struct launch *l, struct err *err)
{
	const char *word = l->spec->linux ? l->spec->linux->rootfspropagation : "";
	struct mount_options o = { .propagation = MS_PRIVATE };
	auto_close int now = -1;

	if (fchdir(root) < 0)
		return err_sys(err, errno, "root");
	/* The old root ends stacked over the new one; it is not shared, so nobody sees it go. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(err, errno, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(err, errno, "umount the old root");
	if (chdir("/") < 0)
		return err_sys(err, errno, "/");
	if (!*word)
		return 0;
	if (propagation_parse(word, &o.propagation, &o.propagation_rec) < 0)
		return err_set(err, EINVAL, "unknown rootfsPropagation \"%s\"", word);
	now = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return now < 0 ? err_sys(err, errno, "/") : mount_change(now, &o, err);
}

static int open_null(int root, struct err *err)
{
	auto_close int fd = inroot_open(root, "/dev/null", O_PATH | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return err_sys(err, fd, "/dev/null");
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_set(err, EINVAL, "/dev/null of the container is something else");
	return take_fd(&fd);
}

/*
 * Over directories *@empty, made for the first of them: one file system for all costs the
 * guest less.
 */
static int mask_directory(int target, const char *path, int *empty, struct err *err)
{
	struct mount_options ro = { .set = MOUNT_ATTR_RDONLY };
	auto_close int fd = -1;

	if (*empty >= 0)
		fd = mount_copy(*empty, "", false, err);
	else
		fd = mount_new("tmpfs", "tmpfs", NULL, &ro, err);
	if (fd < 0)
		return fd;
	if (mount_attach(fd, target, path, err) < 0)
		return err->code;
	if (*empty < 0)
		*empty = take_fd(&fd);
	return 0;
}

static int mask(int root, const char *path, int *empty, struct err *err)
{
	auto_close int target = inroot_open(root, path, O_PATH), fd = -1;
	struct stat st;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return err_sys(err, target, "mask %s", path);
	if (fstat(target, &st) < 0)
		return err_sys(err, errno, "mask %s", path);
	if (S_ISDIR(st.st_mode))
		return mask_directory(target, path, empty, err);
	fd = open_null(root, err);
	return fd < 0 ? err_wrap(err, "mask %s", path) : mount_bind_fd(fd, target, path, err);
}

static int make_read_only(int root, const char *path, struct err *err)
{
	auto_close int target = inroot_open(root, path, O_PATH), fd = -1;
	int r;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return err_sys(err, target, "read-only path %s", path);
	fd = mount_copy(target, "", true, err);
	if (fd < 0)
		return err_wrap(err, "read-only path %s", path);
	r = mount_read_only(fd, true, err);
	return r < 0 ? err_wrap(err, "%s", path) : mount_attach(fd, target, path, err);
}

/* Now that all that belongs in it is there. */
static int seal_tmpfs(int root, const Grpc__Mount *m, struct err *err)
{
	auto_close int fd = -1;
	struct mount_options o;
	bool read_only;

	mount_options_parse(m->options, m->n_options, &o);
	read_only = !strcmp(m->type, "tmpfs") && !o.bind && o.set & MOUNT_ATTR_RDONLY;
	mount_options_done(&o);
	if (!read_only)
		return 0;
	fd = inroot_open(root, m->destination, O_PATH | O_DIRECTORY);
	return fd < 0 ? err_sys(err, fd, "read-only mount %s", m->destination) :
			mount_read_only(fd, false, err);
}

/* Some engines tell a path twice. */
static bool is_among(char *const *paths, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(paths[i], path))
			return true;
	return false;
}

int rootfs_seal(const struct launch *l, struct err *err)
{
	auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), empty = -1;
	const Grpc__Linux *lin = l->spec->linux;
	int r = 0;

	if (root < 0)
		return err_sys(err, errno, "/");
	for (size_t i = 0; r == 0 && i < l->spec->n_mounts; i++)
		r = seal_tmpfs(root, l->spec->mounts[i], err);
	for (size_t i = 0; r == 0 && lin && i < lin->n_readonlypaths; i++)
		r = make_read_only(root, lin->readonlypaths[i], err);
	for (size_t i = 0; r == 0 && lin && i < lin->n_maskedpaths; i++)
		if (!is_among(lin->maskedpaths, i, lin->maskedpaths[i]))
			r = mask(root, lin->maskedpaths[i], &empty, err);
	if (r == 0 && l->spec->root->readonly)
		r = mount_read_only(root, false, err);
	return r;
}
