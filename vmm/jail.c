/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define NOBODY	   65534
#define MNT_DETACH 2 /* <sys/mount.h> and <linux/mount.h> do not go together in glibc 2.36 */

/* What the environment refused, for the one line that says so. */
struct lacks {
	char text[256];
	bool grave; /* more than what only its parent could have given */
};

static void lack(struct lacks *l, bool grave, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void lack(struct lacks *l, bool grave, const char *fmt, ...)
{
	size_t len = strlen(l->text);
	va_list ap;

	if (len > 0)
		len += (size_t)snprintf(l->text + len, sizeof(l->text) - len, ", ");
	if (len < sizeof(l->text)) {
		va_start(ap, fmt);
		vsnprintf(l->text + len, sizeof(l->text) - len, fmt, ap);
		va_end(ap);
	}
	l->grave |= grave;
}

void jail_close_others(const int *keep, size_t n)
{
	unsigned from = 3;

	for (;;) {
		unsigned next = ~0U;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= 0 && (unsigned)keep[i] >= from && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next > from)
			syscall(SYS_close_range, from, next == ~0U ? next : next - 1, 0);
		if (next == ~0U)
			return;
		from = next + 1;
	}
}

static bool capable(unsigned cap)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &h, d) == 0 && d[cap / 32].effective & (1U << cap % 32);
}

/*
 * All at once, as a kernel with everything grants it, or each by itself. A process
 * without CAP_SYS_ADMIN has it in a user namespace of its own, and owns the others so.
 */
static void leave_namespaces(bool keep_netns, struct lacks *l)
{
	static const struct {
		int flag;
		const char *name;
	} each[] = {
		{ CLONE_NEWNS, "mount" },
		{ CLONE_NEWNET, "network" },
		{ CLONE_NEWIPC, "IPC" },
		{ CLONE_NEWUTS, "host name" },
		{ CLONE_NEWCGROUP, "control group" },
	};
	int all = 0;

	for (size_t i = 0; i < ARRAY_SIZE(each); i++)
		all |= each[i].flag;
	if (keep_netns)
		all &= ~CLONE_NEWNET;
	if (getpid() != 1)
		lack(l, false, "namespace of processes (it was not started in one)");
	if (unshare(capable(CAP_SYS_ADMIN) ? all : all | CLONE_NEWUSER) == 0)
		return;
	if (!capable(CAP_SYS_ADMIN) && unshare(CLONE_NEWUSER) < 0) {
		lack(l, true, "namespaces (%s)", strerror(errno));
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(each); i++)
		if ((all & each[i].flag) && unshare(each[i].flag) < 0)
			lack(l, true, "%s namespace (%s)", each[i].name, strerror(errno));
}

/* A file system with nothing in it that nobody can put anything into; mounted nowhere. */
static int make_empty_mount(void)
{
	auto_close int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
			    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV |
				    MOUNT_ATTR_NOSUID);
}

/*
 * Replace the whole tree of mounts by @empty, our working directory, so that none of the
 * host's stays busy through us. Refused where "/" is no mount point (a plain chroot) or
 * is the initial ramdisk: then they stay, beyond reach.
 */
static void drop_mounts(int empty)
{
	auto_close int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	/* Unmounting below must not be heard outside; what is unmounted outside, here. */
	if (old < 0 || syscall(SYS_mount, NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
	    syscall(SYS_move_mount, empty, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return;
	/* The old root comes to lie upon the new one, from where it is taken. */
	if (syscall(SYS_pivot_root, ".", ".") == 0 && fchdir(old) == 0)
		syscall(SYS_umount2, ".", MNT_DETACH);
}

/*
 * Without mounts there is another empty directory that nothing can be put into: one that
 * was removed.
 */
static int make_removed_directory(void)
{
	char path[] = "/tmp/kata-vmm-XXXXXX";
	int fd;

	if (!mkdtemp(path))
		return -errno;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rmdir(path);
	return fd < 0 ? -errno : fd;
}

static void leave_root(struct lacks *l)
{
	auto_close int dir = make_empty_mount();

	if (dir < 0)
		dir = make_removed_directory();
	else if (fchdir(dir) == 0)
		drop_mounts(dir);
	if (dir < 0 || fchdir(dir) < 0 || chroot(".") < 0)
		lack(l, true, "empty root (%s)", strerror(errno));
}

/* In a user namespace of ours there is no other user to become: its caller's is not root's. */
static void leave_root_user(struct lacks *l)
{
	if (geteuid() != 0)
		return;
	/* By number: the C library's would look for other threads. */
	if (syscall(SYS_setgroups, 0, NULL) < 0 ||
	    syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) < 0 ||
	    syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) < 0)
		lack(l, true, "user other than root (%s)", strerror(errno));
}

/* The bounding set stays: it bounds exec, by which nothing is gained without new privileges. */
static int drop_privileges(struct err *err)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capset, &h, none) < 0)
		return err_sys(err, errno, "cannot drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "cannot renounce new privileges");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(err, errno, "cannot forbid dumps");
	return 0;
}

/* One call tells of all descriptors: what is not open is not polled. */
static int highest_descriptor(void)
{
	struct pollfd fds[1024];
	struct rlimit now;
	int n = ARRAY_SIZE(fds);

	if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < ARRAY_SIZE(fds))
		n = (int)now.rlim_cur;
	for (int i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = i };
	if (poll(fds, (nfds_t)n, 0) < 0)
		return n - 1;
	while (n > 0 && fds[n - 1].revents & POLLNVAL)
		n--;
	return n - 1;
}

static int limit_resources(const struct jail_config *config, struct err *err)
{
	const struct {
		int resource;
		const char *name;
		rlim_t max;
	} limits[] = {
		{ RLIMIT_NOFILE, "descriptors",
		  (rlim_t)highest_descriptor() + 1 + config->descriptors },
		{ RLIMIT_FSIZE, "the size of files", config->file_size },
		{ RLIMIT_CORE, "core dumps", 0 },
		{ RLIMIT_MEMLOCK, "locked memory", 0 },
		{ RLIMIT_MSGQUEUE, "message queues", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit was, r = { limits[i].max, limits[i].max };

		if (getrlimit(limits[i].resource, &was) == 0 && was.rlim_max < r.rlim_max)
			r.rlim_cur = r.rlim_max = was.rlim_max;
		if (setrlimit(limits[i].resource, &r) < 0)
			return err_sys(err, errno, "cannot limit %s", limits[i].name);
	}
	return 0;
}

/* A directory would be a way out of any root. */
static int check_stdio(struct err *err)
{
	struct stat st;

	for (int fd = 0; fd <= 2; fd++)
		if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
			return err_set(err, EISDIR, "descriptor %d is a directory", fd);
	return 0;
}

int jail_enter(const struct jail_config *config, struct err *err)
{
	struct lacks lacks = { 0 };
	pid_t parent = getppid();
	int r, death_signal = 0;

	r = check_stdio(err);
	if (r < 0)
		return r;
	/* Who becomes another user would outlive its parent. */
	prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
	leave_namespaces(config->keep_netns, &lacks);
	leave_root(&lacks);
	leave_root_user(&lacks);
	r = limit_resources(config, err);
	if (r == 0)
		r = drop_privileges(err);
	if (r == 0 && death_signal != 0 && prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) < 0)
		r = err_sys(err, errno, "cannot keep the parent's death signal");
	/* It died while there was no signal for it. */
	if (r == 0 && death_signal != 0 && getppid() != parent)
		r = err_set(err, ESRCH, "the parent has gone");
	if (r == 0 && lacks.text[0])
		log_line(lacks.grave ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "jail without: %s",
			 lacks.text);
	return r;
}
