/* SPDX-License-Identifier: Apache-2.0 */
#include "host/standin/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/standin/place.h"

static const int ns_types[NS_KINDS] = { CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWPID,
					CLONE_NEWNS };

/* All are opened first: a path means what it means to the caller. */
static int enter_namespaces(const struct options *o, const char **what)
{
	int fds[NS_KINDS], new = 0;

	for (int i = 0; i < NS_KINDS; i++) {
		fds[i] = -1;
		if (!o->path[i])
			continue;
		*what = o->path[i];
		if (!*o->path[i])
			new |= ns_types[i];
		else if ((fds[i] = open(o->path[i], O_RDONLY | O_CLOEXEC)) < 0)
			return -1;
	}
	for (int i = 0; i < NS_KINDS; i++) {
		if (fds[i] < 0)
			continue;
		*what = o->path[i];
		if (setns(fds[i], ns_types[i]) < 0)
			return -1;
		close(fds[i]);
	}
	*what = "cannot make namespaces";
	return new ? unshare(new) : 0;
}

/* As runc does for who looks at the container's network from the host. */
static void raise_loopback(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	(void)ioctl(fd, SIOCSIFFLAGS, &lo);
	close(fd);
}

/* As `runc --no-pivot`: for roots that cannot be pivoted away, such as an initramfs. */
static int move_root(void)
{
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return -1;
	return chroot(".");
}

static int pivot_root(void)
{
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return -1;
	/* The old root lies on the new one. */
	return umount2(".", MNT_DETACH);
}

/*
 * In a plain chroot "/" is no mount point, so that propagation cannot be stopped: a mount that
 * is attached would be seen on the host. A tree that is attached nowhere is not.
 */
static int enter_detached(const char *root)
{
	int tree = open_tree(AT_FDCWD, root, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (tree < 0 || fchdir(tree) < 0)
		return -1;
	close(tree);
	return chroot(".");
}

/* Instead of the image: what lies there is not what the container has. With a place for /proc,
 * by which engines look at processes. */
static int say_elsewhere(int dir)
{
	return place_word(dir) == 0 && mkdirat(dir, "proc", 0555) == 0 ? 0 : -1;
}

/* The same as enter_detached(), with a file system of its own. */
static int enter_elsewhere(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), tree;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	tree = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	if (tree < 0 || fchdir(tree) < 0 || say_elsewhere(tree) < 0)
		return -1;
	close(tree);
	return chroot(".");
}

static int mount_root(const struct options *o)
{
	if (!o->elsewhere)
		return mount(o->root, o->root, NULL, MS_BIND | MS_REC, NULL) < 0 ||
				       mount(NULL, o->root, NULL, MS_PRIVATE | MS_REC, NULL) < 0 ?
			       -1 :
			       chdir(o->root);
	if (mount("kata-c", o->root, "tmpfs", 0, "mode=0555,size=64k") < 0 || chdir(o->root) < 0 ||
	    say_elsewhere(AT_FDCWD) < 0)
		return -1;
	return mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
}

static int take_root(const struct options *o)
{
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return errno != EINVAL ? -1 :
		       o->elsewhere    ? enter_elsewhere() :
					 enter_detached(o->root);
	if (mount_root(o) < 0)
		return -1;
	if (o->no_pivot)
		return move_root();
	if (pivot_root() == 0)
		return 0;
	return errno == EINVAL ? move_root() : -1;
}

int enter(const struct options *o, const char **what)
{
	int *trees;

	if (enter_namespaces(o, what) < 0)
		return -1;
	if (o->path[NS_NET] && !*o->path[NS_NET])
		raise_loopback();
	if (o->hostname) {
		*what = o->hostname;
		if (sethostname(o->hostname, strlen(o->hostname)) < 0)
			return -1;
	}
	if (o->root) {
		trees = place_open(o);
		*what = o->root;
		if (take_root(o) < 0)
			return -1;
		*what = "/";
		if (chdir("/") < 0)
			return -1;
		place_mounts(o, trees);
	}
	return 0;
}

void enter_proc(const struct options *o)
{
	if (o->root)
		(void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	(void)chdir("/");
}

int enter_session(const struct options *o, const char **what)
{
	*what = "cannot make a session";
	if (setsid() < 0)
		return -1;
	if (o->terminal < 0)
		return 0;
	*what = "cannot take the terminal";
	if (ioctl(o->terminal, TIOCSCTTY, 0) < 0)
		return -1;
	/* The session holds it; who reads its other end must see when the container ends. */
	return close(o->terminal);
}

void enter_drop_rights(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)syscall(SYS_capset, &head, none);
}
