/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

/* Since Linux 6.2: segments of UDP. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define STALE_MAX 4096 /* frames; a tap device's queue has 500 */

int tap_open(const char *name, struct err *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	auto_close int fd = -1;

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return err_set(err, ENAMETOOLONG, "%s: no name of a network device", name);
	memcpy(ifr.ifr_name, name, strlen(name));
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "/dev/net/tun");
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return err_sys(err, errno, "tap device %s", name);
	return take_fd(&fd);
}

static bool is_datagram_socket(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       (type == SOCK_DGRAM || type == SOCK_SEQPACKET);
}

/* Which it has is told by trying: with each refused group there are fewer. */
static unsigned probe_offloads(int fd)
{
	static const unsigned groups[] = { TUN_F_CSUM, TUN_F_TSO4 | TUN_F_TSO6, TUN_F_TSO_ECN,
					   TUN_F_UFO, TUN_F_USO4 | TUN_F_USO6 };
	unsigned has = 0;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(has | groups[i])) == 0)
			has |= groups[i];
	return has;
}

int tap_init(struct tap *tap, int fd, struct err *err)
{
	int header = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	struct ifreq ifr;

	*tap = (struct tap){ .fd = fd };
	if (is_datagram_socket(fd)) {
		tap->is_socket = true;
		tap->offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
		return fd_set_nonblock(fd, true);
	}
	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return err_set(err, EINVAL, "descriptor %d is no tap device", fd);
	if (!(ifr.ifr_flags & IFF_TAP) || !(ifr.ifr_flags & IFF_NO_PI) ||
	    !(ifr.ifr_flags & IFF_VNET_HDR))
		return err_set(err, EINVAL,
			       "%s is no tap device with virtio's headers (IFF_TAP, IFF_NO_PI, "
			       "IFF_VNET_HDR)",
			       ifr.ifr_name);
	if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
		return err_sys(err, errno, "%s: cannot set its headers", ifr.ifr_name);
	tap->offloads = probe_offloads(fd);
	return fd_set_nonblock(fd, true);
}

int tap_set_offloads(const struct tap *tap, unsigned offloads)
{
	/* A tap answers -EINVAL where its header does not fit, which looked like the end. */
	struct virtio_net_hdr_mrg_rxbuf start;

	if (!tap->is_socket && ioctl(tap->fd, TUNSETOFFLOAD, (unsigned long)offloads) < 0)
		return -errno;
	for (int i = 0; i < STALE_MAX && read(tap->fd, &start, sizeof(start)) >= 0; i++)
		;
	return 0;
}
