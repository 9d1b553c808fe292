/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"

struct mount_entry {
	const char *type, *path, *data;
	unsigned long flags;
};

static const struct mount_entry mounts[] = {
	{ "proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "devtmpfs", "/dev", "mode=0755", MS_NOSUID },
	{ "devpts", "/dev/pts", "mode=0620,gid=5,ptmxmode=0666", MS_NOSUID | MS_NOEXEC },
	{ "tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV },
	{ "tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV },
	{ "tmpfs", "/tmp", "mode=1777", MS_NOSUID | MS_NODEV },
	{ "cgroup2", "/sys/fs/cgroup", "nsdelegate", MS_NOSUID | MS_NODEV | MS_NOEXEC },
};

/*
 * An initramfs is no mount that pivot_root() could leave, and containers need
 * it. A copy of it over itself is one.
 */
static int cover_root(struct err *err)
{
	auto_close int tree = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return err_sys(err, errno, "copy the root mount");
	if (move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(err, errno, "cover the root mount");
	if (fchdir(tree) < 0 || chroot(".") < 0)
		return err_sys(err, errno, "enter the root mount");
	return 0;
}

static int mount_one(const struct mount_entry *m, struct err *err)
{
	if (mkdir(m->path, 0755) < 0 && errno != EEXIST)
		return err_sys(err, errno, "%s", m->path);
	/* EBUSY: the kernel or an image's own init did it. */
	if (mount(m->type, m->path, m->type, m->flags, m->data) < 0 && errno != EBUSY)
		return err_sys(err, errno, "mount %s", m->path);
	return 0;
}

static int loopback_up(struct err *err)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo" };

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return err_sys(err, errno, "loopback device");
	ifr.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? err_sys(err, errno, "loopback device") : 0;
}

/* As an image without a word on it would have it; the sandbox's containers have their own. */
static void set_hostname(void)
{
	auto_str struct str name = STR_INIT;
	const char *text = "localhost";

	if (file_read("/etc/hostname", HOST_NAME_MAX, &name, NULL) == 0 && name.len > 0) {
		name.data[strcspn(name.data, " \t\n")] = '\0';
		text = name.data;
	}
	if (sethostname(text, strlen(text)) < 0)
		log_warn("host name %s: %s, ignoring", text, strerror(errno));
}

int init_machine(struct err *err)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	int r = cover_root(err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(mounts); i++)
		r = mount_one(&mounts[i], err);
	if (r < 0)
		return r;
	/* A container that gets at the agent's own file (/proc/PID/exe while it starts) must not
	 * be able to write to it. All that the agent writes is in the mounts above. */
	if (mount_setattr(AT_FDCWD, "/", 0, &ro, sizeof(ro)) < 0)
		return err_sys(err, errno, "make the root read-only");
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
			return err_sys(err, errno, "%s", links[i][1]);
	set_hostname();
	return loopback_up(err);
}

noreturn void init_power_off(const struct agent_config *config)
{
	sync();
	/* A kernel that cannot power off would halt for ever; who passes "reboot=" knows
	 * that its hypervisor ends with a restart. */
	reboot(config->restart_ends ? RB_AUTOBOOT : RB_POWER_OFF);
	log_error("the machine does not power off: %s", strerror(errno));
	for (;;)
		pause();
}
