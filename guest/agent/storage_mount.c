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
#include "guest/agent/fs_group.h"
#include "guest/agent/hugepages.h"
#include "guest/agent/module_load.h"
#include "guest/agent/mounts.h"
#include "guest/agent/storage.h"
#include "guest/agent/storage_block.h"
#include "guest/agent/watch.h"

#define OVERLAY_DIR    "io.katacontainers.volume.overlayfs.create_directory="
#define FSCONFIG_MAX   255
#define MOUNT_DATA_MAX 4095

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

/*
 * By mount(2): fsconfig(2) takes no value of more than 255 bytes, and the list
 * of an overlay's layers is longer.
 */
static int mount_long(const Grpc__Storage *s, const struct mount_options *o, struct err *err)
{
	auto_str struct str data = STR_INIT;
	auto_close int fd = -1;
	int r;

	for (size_t i = 0; i < o->data.n; i++)
		str_printf(&data, "%s%s", i ? "," : "", o->data.v[i]);
	if (data.len > MOUNT_DATA_MAX)
		return err_set(err, E2BIG, "options of %zu bytes", data.len);
	if (mount(s->source, s->mount_point, s->fstype, 0, data.data) < 0)
		return err_sys(err, errno, "mount %s", s->fstype);
	fd = open(s->mount_point, O_PATH | O_CLOEXEC);
	r = fd < 0 ? err_sys(err, errno, "%s", s->mount_point) : mount_change(fd, o, err);
	if (r < 0)
		(void)umount2(s->mount_point, MNT_DETACH);
	return r;
}

static bool too_long(const struct mount_options *o)
{
	for (size_t i = 0; i < o->data.n; i++)
		if (strlen(o->data.v[i]) > FSCONFIG_MAX)
			return true;
	return false;
}

/* @first: an option of the file system itself before the others; NULL: none. */
static int mount_source(const Grpc__Storage *s, const char *source, const char *first,
			const struct mount_options *o, struct err *err)
{
	auto_close int place = open_place(s, true, err), fd = -1;
	int r;

	if (place < 0)
		return place;
	if (too_long(o))
		return mount_long(s, o, err);
	fd = mount_new(s->fstype, source, first, o, err);
	if (fd < 0)
		return fd;
	r = mount_change(fd, o, err);
	return r < 0 ? r : mount_attach(fd, place, s->mount_point, err);
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
	r = mount_change(fd, o, err);
	return r < 0 ? r : mount_attach(fd, place, s->mount_point, err);
}

static int mount_fs(const Grpc__Storage *s, const struct mount_options *o, struct err *err)
{
	if (o->bind || !strcmp(s->fstype, "bind"))
		return mount_bind(s, o, err);
	return mount_source(s, s->source, NULL, o, err);
}

static int mount_shared(const Grpc__Storage *s, const struct mount_options *o, struct err *err)
{
	struct statx st;

	/* An image's own init may have done it. */
	if (!strcmp(s->source, "kataShared") &&
	    statx(AT_FDCWD, s->mount_point, AT_SYMLINK_NOFOLLOW, 0, &st) == 0 &&
	    st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return 0;
	return mount_fs(s, o, err);
}

static int mount_ephemeral(const Grpc__Storage *s, const struct mount_options *o, struct err *err)
{
	if (!strcmp(s->fstype, "hugetlbfs")) {
		int r = hugepages_reserve("/sys", o->data.v, o->data.n, err);

		if (r < 0)
			return r;
	}
	return mount_fs(s, o, err);
}

static int mount_block(const Grpc__Storage *s, const struct mount_options *o, struct err *err)
{
	/* A disk that cannot be written to is refused to whoever would write. */
	const char *first = o->set & MOUNT_ATTR_RDONLY ? "ro" : NULL;
	auto_free char *node = NULL;
	int r = block_node(s->driver, s->source, &node, err);

	if (r == 0)
		r = block_prepare(s, node, err);
	if (r < 0)
		return r;
	module_load_fs(s->fstype);
	return mount_source(s, node, first, o, err);
}

/* Options may be words of their own or several with commas between them. */
static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = words; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (!strncmp(p, word, n) && (!p[n] || p[n] == ','))
			return true;
	}
	return false;
}

char *overlay_scratch(const Grpc__Storage *s, const char *cid)
{
	if (cid && !strcmp(s->driver, "overlayfs"))
		for (size_t i = 0; i < s->n_options; i++)
			if (has_word(s->options[i], OVERLAY_RW))
				return xasprintf("/run/kata-containers/%s/overlay", cid);
	return NULL;
}

/* What the driver options want to be there. */
static int make_wanted(const Grpc__Storage *s, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_driver_options; i++)
		if (str_starts(s->driver_options[i], OVERLAY_DIR))
			r = dir_make(s->driver_options[i] + strlen(OVERLAY_DIR), 0755, err);
	return r;
}

static int mount_overlay(const Grpc__Storage *s, const char *cid, const struct mount_options *o,
			 struct err *err)
{
	auto_free char *scratch = overlay_scratch(s, cid);
	struct mount_options own = *o;
	Grpc__Storage overlay = *s;
	int r = make_wanted(s, err);

	own.data = (struct strv){ NULL, 0 };
	for (size_t i = 0; i < o->data.n; i++)
		if (strcmp(o->data.v[i], OVERLAY_RW))
			strv_add(&own.data, o->data.v[i]);
	if (r == 0 && scratch) {
		auto_free char *upper = path_join(scratch, "upper");
		auto_free char *work = path_join(scratch, "work");

		strv_addf(&own.data, "upperdir=%s", upper);
		strv_addf(&own.data, "workdir=%s", work);
		overlay.fstype = (char *)"overlay";
		r = dir_make(upper, 0755, err);
		if (r == 0)
			r = dir_make(work, 0755, err);
	}
	if (r == 0)
		r = mount_fs(&overlay, &own, err);
	if (r < 0 && scratch)
		(void)tree_remove(scratch, NULL);
	strv_free(&own.data);
	return r;
}

static int make_local(const Grpc__Storage *s, const struct mount_options *o, struct err *err)
{
	(void)o;
	return dir_make(s->mount_point, 0755, err);
}

static int start_watch(const Grpc__Storage *s, const struct mount_options *o, struct err *err)
{
	(void)o;
	return watch_copy(s->source, s->mount_point, true, err);
}

const char *const storage_drivers[] = {
	"blk",	     "mmioblk", "scsi",	     "nvdimm",	       "virtio-fs",	    "bind",
	"ephemeral", "local",	"overlayfs", "watchable-bind", "erofs.multi-layer", NULL
};

static int mount_by_driver(const Grpc__Storage *s, const char *cid, const struct mount_options *o,
			   struct err *err)
{
	static const struct {
		const char *driver;
		int (*mount)(const Grpc__Storage *s, const struct mount_options *o,
			     struct err *err);
	} mounters[] = {
		{ "virtio-fs", mount_shared },	   { "bind", mount_bind },
		{ "ephemeral", mount_ephemeral },  { "local", make_local },
		{ "watchable-bind", start_watch },
	};

	if (block_driver(s->driver))
		return mount_block(s, o, err);
	if (!strcmp(s->driver, "overlayfs"))
		return mount_overlay(s, cid, o, err);
	for (size_t i = 0; i < ARRAY_SIZE(mounters); i++)
		if (!strcmp(s->driver, mounters[i].driver))
			return mounters[i].mount(s, o, err);
	if (!strcmp(s->driver, "blk-ccw"))
		return err_set(err, EOPNOTSUPP, "channel devices are for s390x");
	if (!strcmp(s->driver, "image_guest_pull"))
		return err_set(err, EOPNOTSUPP, "pulling images inside the guest is not supported");
	return err_set(err, EINVAL, "unknown driver \"%s\"", s->driver);
}

int storage_mount(const Grpc__Storage *s, const char *cid, struct err *err)
{
	struct mount_options mo = { .bind = false };
	struct options o;
	int r;

	if (s->mount_point[0] != '/')
		return err_set(err, EINVAL, "storage \"%s\": the mount point is not absolute",
			       s->mount_point);
	r = parse_options(s, &o, err);
	if (r == 0) {
		mount_options_parse(o.mount.v, o.mount.n, &mo);
		r = mount_by_driver(s, cid, &mo, err);
	}
	if (r == 0) {
		r = set_group(s->mount_point, &o, err);
		if (r == 0 && s->fs_group)
			r = fs_group_apply(s->mount_point, s->fs_group, mo.set & MOUNT_ATTR_RDONLY,
					   err);
		if (r < 0)
			(void)storage_unmount(s->mount_point, NULL);
	}
	mount_options_done(&mo);
	strv_free(&o.mount);
	return r < 0 ? err_wrap(err, "storage %s (%s)", s->mount_point, s->driver) : 0;
}

int storage_remount(const Grpc__Storage *s, struct err *err)
{
	struct mount_options mo = { .bind = false };
	struct options o;
	int r = parse_options(s, &o, err);

	if (r == 0) {
		mount_options_parse(o.mount.v, o.mount.n, &mo);
		r = mount_again(s->mount_point, &mo, err);
	}
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
