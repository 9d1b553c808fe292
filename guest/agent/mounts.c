/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cgroup/cgroup.h"
#include "guest/agent/copy_up.h"
#include "guest/agent/inroot.h"

/* What the file system wrote into its context: "e tmpfs: Bad value for 'size'". */
static int context_error(int ctx, int code, const char *fstype, const char *what, struct err *err)
{
	char text[512];
	ssize_t n = read(ctx, text, sizeof(text) - 1);

	if (n <= 2)
		return err_sys(err, code, "mount %s: %s", fstype, what);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err_set(err, code, "mount %s: %s: %s", fstype, what, text + 2);
}

/* "key=value" or "flag". */
static int context_option(int ctx, const char *fstype, const char *option, struct err *err)
{
	auto_free char *key = xstrdup(option);
	char *value = strchr(key, '=');
	int r;

	if (value) {
		*value++ = '\0';
		r = fsconfig(ctx, FSCONFIG_SET_STRING, key, value, 0);
	} else {
		r = fsconfig(ctx, FSCONFIG_SET_FLAG, key, NULL, 0);
	}
	return r < 0 ? context_error(ctx, errno, fstype, option, err) : 0;
}

int mount_new(const char *fstype, const char *source, const char *first,
	      const struct mount_options *o, struct err *err)
{
	auto_close int ctx = fsopen(fstype, FSOPEN_CLOEXEC);
	int r = 0, fd;

	if (ctx < 0)
		return err_sys(err, errno, "mount %s", fstype);
	if (source && *source && fsconfig(ctx, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return context_error(ctx, errno, fstype, source, err);
	if (first)
		r = context_option(ctx, fstype, first, err);
	for (size_t i = 0; r == 0 && i < o->data.n; i++)
		r = context_option(ctx, fstype, o->data.v[i], err);
	if (r < 0)
		return r;
	if (fsconfig(ctx, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return context_error(ctx, errno, fstype, source && *source ? source : "create",
				     err);
	fd = fsmount(ctx, FSMOUNT_CLOEXEC, (unsigned)o->set);
	return fd < 0 ? context_error(ctx, errno, fstype, "mount", err) : fd;
}

int mount_again(const char *path, const struct mount_options *o, struct err *err)
{
	auto_close int ctx = fspick(AT_FDCWD, path, FSPICK_CLOEXEC | FSPICK_NO_AUTOMOUNT);
	int r = 0;

	if (ctx < 0)
		return err_sys(err, errno, "%s", path);
	for (size_t i = 0; r == 0 && i < o->data.n; i++)
		r = context_option(ctx, path, o->data.v[i], err);
	if (r == 0 && fsconfig(ctx, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return context_error(ctx, errno, path, "change", err);
	return r;
}

int mount_copy(int dirfd, const char *path, bool recursive, struct err *err)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
	int fd = open_tree(dirfd, path, flags | (recursive ? AT_RECURSIVE : 0));

	return fd < 0 ? err_sys(err, errno, "mount source %s", path) : fd;
}

static int set_attr(int fd, uint64_t set, uint64_t clear, unsigned long propagation, bool rec)
{
	struct mount_attr attr = {
		.attr_set = set,
		.attr_clr = clear,
		.propagation = propagation,
	};

	if (!set && !clear && !propagation)
		return 0;
	return mount_setattr(fd, "", AT_EMPTY_PATH | (rec ? AT_RECURSIVE : 0), &attr, sizeof(attr));
}

int mount_change(int fd, const struct mount_options *o, struct err *err)
{
	if (set_attr(fd, o->rec_set, o->rec_clear, 0, true) < 0 ||
	    set_attr(fd, o->set, o->clear, 0, false) < 0 ||
	    set_attr(fd, 0, 0, o->propagation, o->propagation_rec) < 0)
		return err_sys(err, errno, "set mount attributes");
	return 0;
}

int mount_attach(int fd, int target, const char *what, struct err *err)
{
	if (move_mount(fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(err, errno, "mount at %s", what);
	return 0;
}

int mount_read_only(int fd, bool recursive, struct err *err)
{
	if (set_attr(fd, MOUNT_ATTR_RDONLY, 0, 0, recursive) < 0)
		return err_sys(err, errno, "make read-only");
	return 0;
}

int mount_bind_fd(int source, int target, const char *what, struct err *err)
{
	auto_close int fd = mount_copy(source, "", true, err);

	return fd < 0 ? fd : mount_attach(fd, target, what, err);
}

/*
 * Nothing may hide what the kernel tells through /proc, except for the files
 * that lxcfs and its like replace. @target is where a symbolic link may have led.
 */
static int check_proc(int target, const char *destination, struct err *err)
{
	static const char *const allowed[] = {
		"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo",
		"/proc/stat",	 "/proc/swaps",	    "/proc/uptime",
		"/proc/loadavg", "/proc/slabinfo",  "/proc/net/dev",
	};
	struct statfs fs;

	if (fstatfs(target, &fs) < 0)
		return err_sys(err, errno, "%s", destination);
	if (fs.f_type != PROC_SUPER_MAGIC)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		if (!strcmp(destination, allowed[i]))
			return 0;
	return err_set(err, EPERM, "mount at %s: it is inside /proc", destination);
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* @source: a copy of it that is made already; -1: none. */
static int bind_mount(int root, const Grpc__Mount *m, int source, const struct mount_options *o,
		      struct err *err)
{
	auto_close int fd = source, target = -1;
	struct stat st;
	int r;

	if (m->source[0] != '/')
		return err_set(err, EINVAL, "mount source \"%s\" is no absolute path", m->source);
	if (fd < 0)
		fd = mount_copy(AT_FDCWD, m->source, o->recursive, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "mount source %s", m->source);
	target = inroot_make(root, m->destination, S_ISDIR(st.st_mode), err);
	if (target < 0)
		return target;
	if (!S_ISDIR(st.st_mode) && is_directory(target))
		return err_set(err, ENOTDIR, "mount %s at %s: the source is not a directory",
			       m->source, m->destination);
	r = check_proc(target, m->destination, err);
	if (r < 0)
		return r;
	r = mount_attach(fd, target, m->destination, err);
	return r < 0 ? r : mount_change(fd, o, err);
}

/*
 * As runc: what the kernel tells is not mounted through a link of the image's, behind which the
 * masks and read-only paths would not find it.
 */
static int check_no_link(int root, const Grpc__Mount *m, struct err *err)
{
	auto_close int fd = -1;
	struct stat st;

	if (strcmp(m->type, "proc") && strcmp(m->type, "sysfs"))
		return 0;
	fd = inroot_open(root, m->destination, O_PATH | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || S_ISDIR(st.st_mode))
		return 0;
	return err_set(err, ENOTDIR, "mount %s at %s: it must be mounted on ordinary directory",
		       m->type, m->destination);
}

static int plain_mount(int root, const Grpc__Mount *m, const struct mount_options *o,
		       struct err *err)
{
	auto_close int before = inroot_open(root, m->destination, O_PATH | O_DIRECTORY);
	auto_close int target = -1, fd = -1;
	struct mount_options initial = *o; /* borrows what @o owns */
	auto_free char *mode = NULL;
	struct stat st;
	int r = check_no_link(root, m, err);

	if (r < 0)
		return r;
	target = inroot_make(root, m->destination, true, err);
	if (target < 0)
		return target;
	if (strcmp(m->type, "proc")) {
		r = check_proc(target, m->destination, err);
		if (r < 0)
			return r;
	}
	/* As runc: like the directory it covers; where there was none, all may write. */
	if (!strcmp(m->type, "tmpfs") && before >= 0 && fstat(before, &st) == 0)
		mode = xasprintf("mode=%04o", (unsigned)(st.st_mode & 07777));
	/* Until it is filled, and others are mounted in it: rootfs_seal(). */
	if (!strcmp(m->type, "tmpfs"))
		initial.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	fd = mount_new(m->type, m->source, mode, &initial, err);
	if (fd == -EPERM && !strcmp(m->type, "sysfs")) {
		/* A user namespace without its own network: show the guest's. */
		fd = mount_copy(AT_FDCWD, "/sys", true, err);
	}
	if (fd < 0)
		return err_wrap(err, "mount %s", m->destination);
	if (o->copy_up && !strcmp(m->type, "tmpfs")) {
		r = copy_up(target, fd, err);
		if (r < 0)
			return err_wrap(err, "mount %s", m->destination);
	}
	r = mount_attach(fd, target, m->destination, err);
	return r < 0 ? r : mount_change(fd, &initial, err);
}

/* One hierarchy of version 1, named by its controllers, in the directory @dir. */
static int cgroup_v1_one(int dir, size_t i, uint64_t attributes, struct err *err)
{
	const char *name = cgroup_hierarchy_name(i), *mount = cgroup_hierarchy_mount(i);
	struct mount_options o = { .set = attributes };
	auto_close int target = -1, fd = -1;
	const char *base = strrchr(mount, '/');
	char *save = NULL;
	auto_free char *words = xstrdup(name);

	target = inroot_make(dir, base ? base + 1 : mount, true, err);
	if (target < 0)
		return target;
	for (char *w = strtok_r(words, ",", &save); w; w = strtok_r(NULL, ",", &save))
		strv_add(&o.data, w);
	if (str_starts(name, "name="))
		strv_add(&o.data, "none");
	fd = mount_new(*name ? "cgroup" : "cgroup2", "cgroup", NULL, &o, err);
	mount_options_done(&o);
	return fd < 0 ? fd : mount_attach(fd, target, mount, err);
}

/* As a local process on a host with version 1: a tmpfs with one directory for each. */
static int cgroup_v1_mount(int root, const Grpc__Mount *m, const struct mount_options *o,
			   struct err *err)
{
	struct mount_options plain = { .set = o->set & ~(uint64_t)MOUNT_ATTR_RDONLY };
	auto_close int target = inroot_make(root, m->destination, true, err), fd = -1;
	int r = 0;

	if (target < 0)
		return target;
	fd = mount_new("tmpfs", "cgroup", "mode=0755", &plain, err);
	if (fd < 0)
		return fd;
	r = mount_attach(fd, target, m->destination, err);
	for (size_t i = 0; r == 0 && i < cgroup_hierarchies(); i++)
		r = cgroup_v1_one(fd, i, o->set, err);
	return r < 0 ? r : mount_change(fd, o, err);
}

/* As runc: all but what the kernel labels by itself. The mount's own label comes first. */
static void add_label(const Grpc__Mount *m, const char *label, struct mount_options *o)
{
	static const char *const own[] = { "proc", "sysfs", "mqueue", "cgroup", "cgroup2" };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (!strcmp(m->type, own[i]))
			return;
	for (size_t i = 0; i < o->data.n; i++)
		if (str_starts(o->data.v[i], "context="))
			return;
	strv_addf(&o->data, "context=%s", label);
}

int mount_spec(int root, const Grpc__Mount *m, int source, const char *label, struct err *err)
{
	struct mount_options o;
	int r;

	mount_options_parse(m->options, m->n_options, &o);
	if (label)
		add_label(m, label, &o);
	if (o.bind || !strcmp(m->type, "bind")) {
		r = bind_mount(root, m, source, &o, err);
	} else if (!strcmp(m->type, "cgroup") && cgroup_layout() != CGROUP_UNIFIED) {
		r = cgroup_v1_mount(root, m, &o, err);
	} else {
		Grpc__Mount copy = *m;

		if (!strcmp(m->type, "cgroup"))
			copy.type = (char *)"cgroup2";
		r = plain_mount(root, &copy, &o, err);
	}
	mount_options_done(&o);
	return r;
}
