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
#include <sys/syscall.h>
#include <unistd.h>

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

/* A peer of the host's mount would carry what is mounted below it to the host. */
static int open_bind(const char *source)
{
	struct mount_attr private = { .propagation = MS_PRIVATE };
	int tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (tree < 0 ||
	    mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &private, sizeof(private)) == 0)
		return tree;
	close(tree);
	return -1;
}

/* Copies of the trees at the sources; -1 for those that cannot be had. */
static int *open_binds(const struct options *o)
{
	int *trees = calloc((size_t)o->n_binds + 1, sizeof(*trees));

	for (int i = 0; trees && i < o->n_binds; i++)
		trees[i] = open_bind(o->binds[2 * i]);
	return trees;
}

/* Within the new root, so that no link in it leads out. */
static void place_binds(const struct options *o, int *trees)
{
	for (int i = 0; trees && i < o->n_binds; i++) {
		if (trees[i] < 0)
			continue;
		(void)move_mount(trees[i], "", AT_FDCWD, o->binds[2 * i + 1],
				 MOVE_MOUNT_F_EMPTY_PATH);
		close(trees[i]);
	}
	free(trees);
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

static int take_root(const struct options *o)
{
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return errno == EINVAL ? enter_detached(o->root) : -1;
	if (mount(o->root, o->root, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    mount(NULL, o->root, NULL, MS_PRIVATE | MS_REC, NULL) < 0 || chdir(o->root) < 0)
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
		trees = open_binds(o);
		*what = o->root;
		if (take_root(o) < 0)
			return -1;
		*what = "/";
		if (chdir("/") < 0)
			return -1;
		place_binds(o, trees);
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
