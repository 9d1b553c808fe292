/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/storage_mount.h"

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
#include "guest/agent/mounts.h"
#include "guest/agent/storage.h"

/* The driver's options, split at commas too, without those that are the agent's own. */
struct options {
	struct strv mount;
	long long fsgid; /* -1: none */
	long long mode;	 /* -1: none */
};

static int take_option(const Grpc__Storage *s, char *word, struct options *o, struct err *err)
{
	char *end;

	if (str_starts(word, "fsgid=")) {
		if (str_to_ll(word + strlen("fsgid="), 0, UINT32_MAX - 1, &o->fsgid) < 0)
			return err_set(err, EINVAL, "storage %s: bad option %s", s->mount_point,
				       word);
		return 0;
	}
	if (str_starts(word, "mode=") && !strcmp(s->driver, "local")) {
		o->mode = strtoll(word + strlen("mode="), &end, 8);
		if (*end || o->mode < 0 || o->mode > 07777)
			return err_set(err, EINVAL, "storage %s: bad option %s", s->mount_point,
				       word);
		return 0;
	}
	strv_add(&o->mount, word);
	return 0;
}

static int parse_options(const Grpc__Storage *s, struct options *o, struct err *err)
{
	*o = (struct options){ .fsgid = -1, .mode = -1 };
	for (size_t i = 0; i < s->n_options; i++) {
		auto_free char *words = xstrdup(s->options[i]);
		char *save = NULL;

		for (char *w = strtok_r(words, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
			int r = take_option(s, w, o, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* Give the mounted directory to the group that all containers of a pod share. */
static int set_group(const char *path, const struct options *o, struct err *err)
{
	struct stat st;

	if (o->mode >= 0 && chmod(path, (mode_t)o->mode) < 0)
		return err_sys(err, errno, "%s", path);
	if (o->fsgid < 0)
		return 0;
	if (chown(path, (uid_t)-1, (gid_t)o->fsgid) < 0 || stat(path, &st) < 0 ||
	    chmod(path, (st.st_mode & 07777) | S_ISGID) < 0)
		return err_sys(err, errno, "%s", path);
	return 0;
}

/* The place of a mount: a directory that is made as needed, or a file for a file's bind. */
static int open_place(const Grpc__Storage *s, bool dir, struct err *err)
{
	int fd, r = 0;

	if (dir) {
		r = dir_make(s->mount_point, 0755, err);
	} else if (access(s->mount_point, F_OK) < 0) {
		r = file_replace(s->mount_point, "", 0, 0600, err);
	}
	if (r < 0)
		return r;
	fd = open(s->mount_point, O_PATH | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "%s", s->mount_point) : fd;
}

static int mount_fs(const Grpc__Storage *s, const struct mount_options *o, struct err *err)
{
	auto_close int place = open_place(s, true, err), fd = -1;
	int r;

	if (place < 0)
		return place;
	fd = mount_new(s->fstype, s->source, NULL, o, err);
	if (fd < 0)
		return fd;
	r = mount_attach(fd, place, s->mount_point, err);
	return r < 0 ? r : mount_change(fd, o, err);
}

static int mount_bind(const Grpc__Storage *s, const struct mount_options *o, struct err *err)
{
	auto_close int fd = mount_copy(AT_FDCWD, s->source, true, err), place = -1;
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s", s->source);
	place = open_place(s, S_ISDIR(st.st_mode), err);
	if (place < 0)
		return place;
	r = mount_attach(fd, place, s->mount_point, err);
	return r < 0 ? r : mount_change(fd, o, err);
}

static int make_local(const Grpc__Storage *s, const struct mount_options *o, struct err *err)
{
	(void)o;
	return dir_make(s->mount_point, 0755, err);
}

const char *const storage_drivers[] = {
	"virtio-fs", "ephemeral", "local", "overlayfs", "bind", NULL
};
static int (*const mounters[])(const Grpc__Storage *s, const struct mount_options *o,
			       struct err *err) = { mount_fs, mount_fs, make_local, mount_fs,
						    mount_bind };

int storage_mount(const Grpc__Storage *s, struct err *err)
{
	struct mount_options mo = { .bind = false };
	struct options o;
	size_t i = 0;
	int r;

	while (storage_drivers[i] && strcmp(storage_drivers[i], s->driver))
		i++;
	if (!storage_drivers[i])
		return err_set(err, EINVAL, "storage %s: unknown driver \"%s\"", s->mount_point,
			       s->driver);
	if (s->mount_point[0] != '/')
		return err_set(err, EINVAL, "storage \"%s\": the mount point is not absolute",
			       s->mount_point);
	r = parse_options(s, &o, err);
	if (r == 0)
		r = mount_options_parse(o.mount.v, o.mount.n, &mo, err);
	if (r == 0)
		r = mounters[i](s, &mo, err);
	if (r == 0)
		r = set_group(s->mount_point, &o, err);
	mount_options_done(&mo);
	strv_free(&o.mount);
	return r < 0 ? err_wrap(err, "storage %s (%s)", s->mount_point, s->driver) : 0;
}

int storage_remount(const Grpc__Storage *s, struct err *err)
{
	struct mount_options mo = { .bind = false };
	struct options o;
	int r = parse_options(s, &o, err);

	if (r == 0)
		r = mount_options_parse(o.mount.v, o.mount.n, &mo, err);
	if (r == 0)
		r = mount_again(s->mount_point, &mo, err);
	mount_options_done(&mo);
	strv_free(&o.mount);
	return r < 0 ? err_wrap(err, "storage %s (%s)", s->mount_point, s->driver) : 0;
}

int storage_unmount(const char *path, struct err *err)
{
	if (umount2(path, UMOUNT_NOFOLLOW) < 0 && errno == EBUSY &&
	    umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
		return err_sys(err, errno, "umount %s", path);
	/* EINVAL: a local directory is no mount. Its content may be wanted, so only if empty. */
	(void)rmdir(path);
	return 0;
}
