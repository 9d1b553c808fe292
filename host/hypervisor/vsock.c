/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

#define VHOST_VSOCK "/dev/vhost-vsock"

/* IDs below are reserved, and so is the highest. */
#define CID_FIRST 3U
#define CID_LAST  0xfffffffeU
#define CID_TRIES 64

struct vsock_dial {
	struct loop *loop;
	struct loop_source *src, *timer;
	int fd;
	uint32_t cid, port;
	vsock_done done;
	void *arg;
};

int vsock_open(uint32_t *cid, struct err *err)
{
	auto_close int fd = open(VHOST_VSOCK, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, VHOST_VSOCK);
	for (int i = 0; i < CID_TRIES; i++) {
		uint32_t number;
		uint64_t id;

		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
			return err_sys(err, errno, "getrandom");
		id = CID_FIRST + number % (CID_LAST - CID_FIRST + 1);
		if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &id) == 0) {
			*cid = (uint32_t)id;
			return take_fd(&fd);
		}
		if (errno != EADDRINUSE)
			break;
	}
	return err_sys(err, errno, VHOST_VSOCK ": setting a context ID");
}

static void attempt(void *arg);

static void again(struct vsock_dial *d)
{
	loop_remove(&d->src);
	close_fd(&d->fd);
	d->timer = loop_add_timer(d->loop, VSOCK_RETRY_MS, attempt, d);
}

static void on_connect(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct vsock_dial *d = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)src;
	(void)events;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
		again(d);
		return;
	}
	loop_remove(&d->src);
	d->done(take_fd(&d->fd), d->arg);
}

static void attempt(void *arg)
{
	struct vsock_dial *d = arg;
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = d->cid,
		.svm_port = d->port,
	};

	d->timer = NULL;
	d->fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd < 0 ||
	    (connect(d->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 && errno != EINPROGRESS)) {
		again(d);
		return;
	}
	d->src = loop_add_fd(d->loop, d->fd, EPOLLOUT, on_connect, d);
	if (!d->src)
		again(d);
}

struct vsock_dial *vsock_dial(struct loop *loop, uint32_t cid, uint32_t port, vsock_done done,
			      void *arg)
{
	struct vsock_dial *d = xcalloc(1, sizeof(*d));

	d->loop = loop;
	d->fd = -1;
	d->cid = cid;
	d->port = port;
	d->done = done;
	d->arg = arg;
	d->timer = loop_defer(loop, attempt, d);
	return d;
}

void vsock_dial_free(struct vsock_dial *d)
{
	if (!d)
		return;
	loop_remove(&d->src);
	loop_remove(&d->timer);
	close_fd(&d->fd);
	free(d);
}
