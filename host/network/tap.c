/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/network/netns.h"

#define TUN	  "/dev/net/tun"
#define VHOST_NET "/dev/vhost-net"

#ifndef IFF_TUN_EXCL
#define IFF_TUN_EXCL 0x8000
#endif

static short flags_for(unsigned queues)
{
	return (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues > 1 ? IFF_MULTI_QUEUE : 0));
}

/* In the namespace that the process is in. */
static int open_queue(const char *name, short flags, struct err *err)
{
	struct ifreq req = { .ifr_flags = flags };
	auto_close int fd = open(TUN, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_sys(err, errno, TUN);
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &req) < 0)
		return err_sys(err, errno, "tap %s", name);
	return take_fd(&fd);
}

static int open_here(unsigned queues, bool exists, bool stays, struct net_tap *tap, struct err *err)
{
	short flags = flags_for(queues);

	while (tap->n < queues) {
		/* The first one makes it; another's of that name is not to be joined. */
		bool make = !exists && tap->n == 0;
		int fd = open_queue(tap->name, make ? (short)(flags | IFF_TUN_EXCL) : flags, err);

		if (fd < 0)
			return fd;
		tap->fds[tap->n++] = fd;
		if (stays)
			break;
	}
	if (stays && !exists && ioctl(tap->fds[0], TUNSETPERSIST, 1) < 0)
		return err_sys(err, errno, "tap %s", tap->name);
	return 0;
}

int net_tap_open(int netns, const char *name, unsigned queues, bool exists, bool stays,
		 struct net_tap *tap, struct err *err)
{
	int back, r = netns_enter(netns, &back, err);

	*tap = (struct net_tap){ .n = 0 };
	if (r < 0)
		return r;
	snprintf(tap->name, sizeof(tap->name), "%s", name);
	r = open_here(queues, exists, stays, tap, err);
	netns_leave(&back);
	if (r < 0 || stays)
		net_tap_close(tap);
	return r;
}

/* ---- macvtap ---------------------------------------------------------------------------- */

/* Only the file system that is mounted in the namespace shows its devices. */
static int read_number(int netns, const char *name, int index, const char *dir, dev_t *dev,
		       struct err *err)
{
	auto_free char *path = xasprintf("%s/class/net/%s/tap%d/dev", dir, name, index);
	auto_str struct str text = STR_INIT;
	unsigned major, minor;
	int back, r = netns_enter(netns, &back, err);

	if (r < 0)
		return r;
	r = mount("sysfs", dir, "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ?
		    err_sys(err, errno, "cannot mount sysfs") :
		    0;
	netns_leave(&back);
	if (r < 0)
		return r;
	r = file_read(path, 32, &text, err);
	(void)umount2(dir, MNT_DETACH);
	if (r < 0)
		return r;
	if (sscanf(str_text(&text), "%u:%u", &major, &minor) != 2)
		return err_set(err, EINVAL, "%s: \"%s\" is no device", path, str_text(&text));
	*dev = makedev(major, minor);
	return 0;
}

/* A node of our own, where devices may be opened: nobody has to make /dev/tapN. */
static int open_nodes(const char *dir, dev_t dev, unsigned queues, struct net_tap *tap,
		      struct err *err)
{
	auto_free char *node = xasprintf("%s/tap", dir);
	int r = 0;

	if (mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NOEXEC, "size=4k,mode=700") < 0)
		return err_sys(err, errno, "cannot mount a tmpfs");
	if (mknod(node, S_IFCHR | 0600, dev) < 0)
		r = err_sys(err, errno, "cannot make a device node");
	while (r == 0 && tap->n < queues) {
		struct ifreq req = { .ifr_flags = flags_for(queues) };
		int fd = open(node, O_RDWR | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0) {
			r = err_sys(err, errno, "macvtap %s", tap->name);
			break;
		}
		tap->fds[tap->n++] = fd;
		if (ioctl(fd, TUNSETIFF, &req) < 0)
			r = err_sys(err, errno, "macvtap %s", tap->name);
	}
	(void)umount2(dir, MNT_DETACH);
	return r;
}

int net_tap_open_macvtap(int netns, const char *name, int index, unsigned queues, const char *dir,
			 struct net_tap *tap, struct err *err)
{
	dev_t dev = 0;
	int r = read_number(netns, name, index, dir, &dev, err);

	*tap = (struct net_tap){ .n = 0 };
	snprintf(tap->name, sizeof(tap->name), "%s", name);
	if (r == 0)
		r = open_nodes(dir, dev, queues, tap, err);
	if (r < 0)
		net_tap_close(tap);
	return r < 0 ? err_wrap(err, "macvtap %s", name) : 0;
}

int net_tap_open_vhost(struct net_tap *tap)
{
	for (unsigned i = 0; i < tap->n; i++) {
		tap->vhost[i] = open(VHOST_NET, O_RDWR | O_CLOEXEC);
		if (tap->vhost[i] < 0) {
			int r = -errno;

			while (i-- > 0)
				close(tap->vhost[i]);
			return r;
		}
	}
	tap->has_vhost = tap->n > 0;
	return 0;
}

void net_tap_close(struct net_tap *tap)
{
	for (unsigned i = 0; tap->has_vhost && i < tap->n; i++)
		close(tap->vhost[i]);
	tap->has_vhost = false;
	while (tap->n > 0)
		close(tap->fds[--tap->n]);
}
