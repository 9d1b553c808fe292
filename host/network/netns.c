/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/netlink.h"

/* Of this thread, not of the process: its first thread may be elsewhere. */
#define OUR_NETNS "/proc/thread-self/ns/net"

static int open_path(const char *path, struct err *err)
{
	/* A FIFO in its place is no trap. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? err_sys(err, errno, "network namespace %s", path) : fd;
}

int netns_open(const char *path, struct err *err)
{
	auto_close int fd = open_path(path, err);

	if (fd < 0)
		return fd;
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return err_set(err, EINVAL, "%s is no network namespace", path);
	return take_fd(&fd);
}

int netns_enter(int netns, int *back, struct err *err)
{
	int r;

	*back = -1;
	if (netns < 0)
		return 0;
	*back = open_path(OUR_NETNS, err);
	if (*back < 0)
		return *back;
	if (setns(netns, CLONE_NEWNET) == 0)
		return 0;
	r = err_sys(err, errno, "cannot enter the network namespace");
	close_fd(back);
	return r;
}

void netns_leave(int *back)
{
	if (*back < 0)
		return;
	if (setns(*back, CLONE_NEWNET) < 0) {
		log_error("cannot return from a network namespace");
		abort();
	}
	close_fd(back);
}

int netns_netlink(int netns, struct err *err)
{
	int back, nl, r = netns_enter(netns, &back, err);

	if (r < 0)
		return r;
	nl = nl_open(err);
	netns_leave(&back);
	return nl;
}

/* Without it not even the namespace itself is reached. */
static void raise_loopback(int netns)
{
	const struct ifinfomsg up = { .ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	auto_str struct str m = STR_INIT;
	auto_close int nl = netns_netlink(netns, NULL);

	nl_begin(&m, RTM_NEWLINK, 0, &up, sizeof(up));
	if (nl < 0 || nl_send(nl, &m, NULL, NULL) < 0)
		log_info("a new network namespace: its loopback stays down");
}

int netns_new(struct err *err)
{
	int back = open_path(OUR_NETNS, err), netns, r;

	if (back < 0)
		return back;
	if (unshare(CLONE_NEWNET) < 0) {
		r = err_sys(err, errno, "cannot make a network namespace");
		close(back);
		return r;
	}
	netns = open_path(OUR_NETNS, err);
	netns_leave(&back);
	if (netns >= 0)
		raise_loopback(netns);
	return netns;
}

int netns_identify(int netns, struct netns_id *id, struct err *err)
{
	struct stat st;

	if (fstat(netns, &st) < 0)
		return err_sys(err, errno, "network namespace");
	*id = (struct netns_id){ st.st_dev, st.st_ino };
	return 0;
}

bool netns_is_ours(int netns)
{
	auto_close int ours = open_path(OUR_NETNS, NULL);
	struct netns_id a, b;

	return ours >= 0 && netns_identify(netns, &a, NULL) == 0 &&
	       netns_identify(ours, &b, NULL) == 0 && a.dev == b.dev && a.ino == b.ino;
}
