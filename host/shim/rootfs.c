/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/rootfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

/* What a mount's data may hold: the kernel copies one page. */
#define DATA_MAX 4095

/* The options of mount(8) that are flags of mount(2); all others are the file system's. */
static const struct {
	const char *name;
	unsigned long set, clear;
} options[] = {
	{ "async", 0, MS_SYNCHRONOUS },
	{ "atime", 0, MS_NOATIME },
	{ "bind", MS_BIND, 0 },
	{ "defaults", 0, 0 },
	{ "dev", 0, MS_NODEV },
	{ "diratime", 0, MS_NODIRATIME },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "mand", MS_MANDLOCK, 0 },
	{ "noatime", MS_NOATIME, 0 },
	{ "nodev", MS_NODEV, 0 },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "noexec", MS_NOEXEC, 0 },
	{ "nomand", 0, MS_MANDLOCK },
	{ "norelatime", 0, MS_RELATIME },
	{ "nostrictatime", 0, MS_STRICTATIME },
	{ "nosuid", MS_NOSUID, 0 },
	{ "rbind", MS_BIND | MS_REC, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "remount", MS_REMOUNT, 0 },
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "sync", MS_SYNCHRONOUS, 0 },
};

static void add_option(const char *option, unsigned long *flags, struct str *data)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (!strcmp(options[i].name, option)) {
			*flags |= options[i].set;
			*flags &= ~options[i].clear;
			return;
		}
	if (data->len > 0)
		str_putc(data, ',');
	str_puts(data, option);
}

static int mount_one(const char *target, const Containerd__Types__Mount *m, struct err *err)
{
	const unsigned long read_only_bind = MS_BIND | MS_RDONLY;
	auto_str struct str data = STR_INIT;
	unsigned long flags = 0;

	for (size_t i = 0; i < m->n_options; i++)
		add_option(m->options[i], &flags, &data);
	if (data.len > DATA_MAX)
		return err_set(err, E2BIG, "the options of the mount of %s on %s exceed %d bytes",
			       m->source, target, DATA_MAX);
	if (mount(m->source, target, m->type, flags, str_text(&data)) < 0)
		return err_sys(err, errno, "cannot mount %s (%s) on %s", m->source, m->type,
			       target);
	/* The first call ignores all flags of a bind mount. */
	if ((flags & read_only_bind) == read_only_bind &&
	    mount("", target, "", flags | MS_REMOUNT, "") < 0)
		return err_sys(err, errno, "cannot make %s read-only", target);
	return 0;
}

int rootfs_mount(const char *target, Containerd__Types__Mount *const *mounts, size_t n,
		 struct err *err)
{
	int r = dir_make(target, 0711, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (*mounts[i]->target && strcmp(mounts[i]->target, "/"))
			r = err_set(err, EOPNOTSUPP, "root file system: mount below it: %s",
				    mounts[i]->target);
		else
			r = mount_one(target, mounts[i], err);
		if (r < 0 && i > 0)
			rootfs_unmount(target);
	}
	return r;
}

void rootfs_unmount(const char *target)
{
	int n = 0;

	while (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		n++;
	/* EINVAL: nothing is mounted there any more. */
	if (errno != EINVAL && errno != ENOENT)
		log_warn("cannot unmount %s: %s", target, strerror(errno));
	log_debug("unmounted %s %d times", target, n);
}

bool rootfs_is_disk(Containerd__Types__Mount *const *mounts, size_t n, struct sandbox_disk *disk)
{
	const Containerd__Types__Mount *m = n == 1 ? mounts[0] : NULL;
	struct strv words = { NULL, 0 };
	bool loop = false, bind = false, ro = false;
	struct stat st;

	if (!m || !*m->type || (*m->target && strcmp(m->target, "/")) || stat(m->source, &st) < 0)
		return false;
	for (size_t i = 0; i < m->n_options; i++) {
		const char *o = m->options[i];

		loop = loop || !strcmp(o, "loop");
		bind = bind || !strcmp(o, "bind") || !strcmp(o, "rbind");
		ro = !strcmp(o, "ro") || (ro && strcmp(o, "rw") != 0);
		if (strcmp(o, "loop") != 0 && strcmp(o, "defaults") != 0)
			strv_add(&words, o);
	}
	if (bind || !(S_ISBLK(st.st_mode) || (S_ISREG(st.st_mode) && loop))) {
		strv_free(&words);
		return false;
	}
	*disk = (struct sandbox_disk){
		.source = xstrdup(m->source),
		.fstype = xstrdup(m->type),
		.options = words,
		.read_only = ro,
	};
	return true;
}
