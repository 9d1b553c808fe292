/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "host/storage/unmount.h"

/* A file name may have 255 bytes; the number in front of it needs some. */
#define NAME_MAX_SHARED 200

struct share *share_new(const char *base)
{
	struct share *share = xcalloc(1, sizeof(*share));

	share->base = xstrdup(base);
	share->mounts = path_join(base, "mounts");
	share->shared = path_join(base, "shared");
	share->place = (struct source_place)SOURCE_HERE;
	return share;
}

void share_look_from(struct share *share, const struct source_place *place)
{
	share->place = *place;
}

void share_free(struct share *share)
{
	if (!share)
		return;
	free(share->base);
	free(share->mounts);
	free(share->shared);
	free(share);
}

static int change(const char *path, const char *from, unsigned long flags, struct err *err)
{
	if (mount(from, path, NULL, flags, NULL) < 0)
		return err_sys(err, errno, "%s: cannot mount", path);
	return 0;
}

int share_make(const struct share *share, struct err *err)
{
	int r = dir_make(share->mounts, 0700, err);

	if (r == 0)
		r = dir_make(share->shared, 0700, err);
	/* A peer group of its own, private first: a shared parent must not be its peer. */
	if (r == 0)
		r = change(share->mounts, share->mounts, MS_BIND, err);
	if (r == 0)
		r = change(share->mounts, NULL, MS_PRIVATE, err);
	if (r == 0)
		r = change(share->mounts, NULL, MS_SHARED, err);
	if (r == 0)
		r = change(share->shared, share->mounts, MS_BIND, err);
	if (r == 0)
		r = change(share->shared, NULL, MS_SLAVE, err);
	if (r == 0)
		r = change(share->shared, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, err);
	return r;
}

int share_undo(const struct share *share, struct err *err)
{
	int r = unmount_below(share->base, err);

	return r < 0 ? r : tree_remove(share->base, err);
}

/*
 * The copy @tree of a mount tree is prepared before anybody sees it, so that the copies
 * that propagation makes of it have its flags.
 */
static int bind_tree(int tree, const char *source, const char *place, bool read_only,
		     struct err *err)
{
	struct mount_attr attr = { .attr_set = read_only ? MOUNT_ATTR_RDONLY : 0,
				   .propagation = MS_SLAVE };

	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_sys(err, errno, "%s: cannot set the bind's flags", source);
	if (move_mount(tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(err, errno, "%s: cannot bind to %s", source, place);
	return 0;
}

/* A mount point like the root of @tree: a directory, or an empty file for anything else. */
static int make_place(const char *place, const struct stat *tree, struct err *err)
{
	int fd;

	if (S_ISDIR(tree->st_mode))
		return mkdir(place, 0700) < 0 ? err_sys(err, errno, "%s", place) : 0;
	fd = open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, errno, "%s", place);
	close(fd);
	return 0;
}

static int open_source(const struct source_place *from, const char *source, struct stat *st,
		       struct err *err)
{
	auto_close int tree = source_open(from, source);

	if (tree == -EINVAL)
		return err_sys(err, tree, "%s: cannot bind", source);
	if (tree < 0)
		return err_sys(err, tree, "%s", source);
	if (fstat(tree, st) < 0)
		return err_sys(err, errno, "%s", source);
	return take_fd(&tree);
}

static int add_tree(const struct share *share, const char *id, const char *name, int tree,
		    const struct stat *st, const char *source, bool read_only, struct err *err)
{
	auto_free char *dir = path_join(share->mounts, id), *place = path_join(dir, name);
	int r = dir_make(dir, 0700, err);

	if (r == 0)
		r = make_place(place, st, err);
	if (r < 0)
		return r;
	r = bind_tree(tree, source, place, read_only, err);
	if (r < 0)
		(void)tree_remove(place, NULL); /* @err tells why it is there for nothing */
	return r;
}

static int add(const struct share *share, const char *id, const char *name, const char *source,
	       bool read_only, struct err *err)
{
	struct stat st;
	auto_close int tree = open_source(&share->place, source, &st, err);

	return tree < 0 ? tree : add_tree(share, id, name, tree, &st, source, read_only, err);
}

static int add_rootfs(const struct share *share, const struct source_place *from, const char *id,
		      const char *rootfs, struct err *err)
{
	struct stat st;
	auto_close int tree = open_source(from, rootfs, &st, err);
	int r;

	if (tree < 0)
		return err_wrap(err, "root file system");
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "root file system %s: is no directory", rootfs);
	r = add_tree(share, id, "rootfs", tree, &st, rootfs, false, err);
	if (r < 0)
		(void)share_remove(share, id, NULL); /* as above */
	return r;
}

static const struct source_place here = SOURCE_HERE;

/* What hooks of createContainer mounted in it is seen here alone. */
int share_add_rootfs(const struct share *share, const char *id, const char *rootfs, struct err *err)
{
	return add_rootfs(share, source_is_here(&share->place, rootfs) ? &here : &share->place, id,
			  rootfs, err);
}

int share_add_own_rootfs(const struct share *share, const char *id, const char *rootfs,
			 struct err *err)
{
	return add_rootfs(share, &here, id, rootfs, err);
}

/* The last component of @path, or "root" for "/". The caller frees. */
static char *base_name(const char *path)
{
	size_t end = strlen(path), begin;

	while (end > 0 && path[end - 1] == '/')
		end--;
	begin = end;
	while (begin > 0 && path[begin - 1] != '/' && end - begin < NAME_MAX_SHARED)
		begin--;
	return end == begin ? xstrdup("root") : xstrndup(path + begin, end - begin);
}

int share_add_bind(const struct share *share, const char *id, unsigned n, const char *source,
		   const char *destination, bool read_only, char **guest_path, struct err *err)
{
	auto_free char *base = base_name(destination), *name = xasprintf("%u-%s", n, base);
	int r = add(share, id, name, source, read_only, err);

	if (r < 0)
		return err_wrap(err, "mount %s", destination);
	*guest_path = xasprintf(SHARE_GUEST_DIR "%s/%s", id, name);
	return 0;
}

int share_add_sandbox(const struct share *share, const char *mount, struct err *err)
{
	bool rw = str_ends(mount, ":rw");
	size_t mode = rw || str_ends(mount, ":ro") ? strlen(":rw") : 0;
	auto_free char *source = xstrndup(mount, strlen(mount) - mode), *name = base_name(source);
	auto_free char *dir = path_join(share->mounts, SHARE_SANDBOX_MOUNTS);
	auto_free char *place = path_join(dir, name);

	if (source[0] != '/' || !strcmp(name, ".") || !strcmp(name, ".."))
		return err_set(err, EINVAL, "\"%s\" is no absolute path with a name", source);
	if (access(place, F_OK) == 0)
		return err_set(err, EEXIST, "two of them are called \"%s\"", name);
	return add(share, SHARE_SANDBOX_MOUNTS, name, source, !rw, err);
}

int share_remove(const struct share *share, const char *id, struct err *err)
{
	auto_free char *dir = path_join(share->mounts, id);
	int r = unmount_below(dir, err);

	return r < 0 ? r : tree_remove(dir, err);
}

char *share_guest_rootfs(const char *id)
{
	return xasprintf(SHARE_GUEST_DIR "%s/rootfs", id);
}
