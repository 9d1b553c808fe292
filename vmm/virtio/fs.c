/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/fs.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "vmm/virtio/shared_event.h"
#include "vmm/virtio/vhost_user.h"

enum { HIPRIO, REQUESTS, QUEUES };

struct fs {
	struct virtio_device dev;
	struct virtq queue[QUEUES];
	struct virtio_fs_config config;
	struct vhost_user server;
	struct loop_source *server_src;
	bool knows_memory;
	struct {
		bool runs;
		uint16_t base;
		int kick;
	} ring[QUEUES];
};

static struct fs *of(struct virtio_device *dev)
{
	return container_of(dev, struct fs, dev);
}

/* It has guest memory mapped still, but from now on it is asked nothing. */
static void lose_server(struct fs *fs)
{
	loop_remove(&fs->server_src);
	close_fd(&fs->server.fd);
	for (unsigned i = 0; i < QUEUES; i++)
		fs->ring[i].runs = false;
}

/* Nobody asked it anything: it is gone, or out of its mind. */
static void on_server(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct fs *fs = arg;
	uint8_t byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	(void)src;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	lose_server(fs);
	virtio_break(&fs->dev,
		     n > 0 ? "its server speaks without being asked" : "its server is gone");
}

static int start_rings(struct fs *fs)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < QUEUES; i++) {
		int call;

		if (!fs->queue[i].ready || fs->ring[i].runs)
			continue;
		virtio_hand_over(&fs->dev, i, &fs->ring[i].kick, &call);
		r = vhost_user_start_ring(&fs->server, i, &fs->queue[i], fs->ring[i].base,
					  fs->ring[i].kick, call);
		fs->ring[i].runs = r == 0;
	}
	return r;
}

static int stop_rings(struct fs *fs)
{
	int r = 0;

	vhost_user_begin(&fs->server);
	for (unsigned i = 0; r == 0 && i < QUEUES; i++) {
		if (fs->ring[i].runs)
			r = vhost_user_stop_ring(&fs->server, i, &fs->ring[i].base);
		fs->ring[i].runs = false;
	}
	return r;
}

static int fs_start(struct virtio_device *dev)
{
	struct fs *fs = of(dev);
	int r;

	if (fs->server.fd < 0)
		return -ENOTCONN;
	vhost_user_begin(&fs->server);
	r = vhost_user_set_features(&fs->server, dev->features);
	if (r == 0 && !fs->knows_memory)
		r = vhost_user_set_memory(&fs->server, dev->mem);
	for (unsigned i = 0; i < QUEUES; i++)
		fs->ring[i].base = 0;
	if (r == 0)
		r = start_rings(fs);
	fs->knows_memory = r == 0;
	/* What it has not taken up to now is an answer to nothing later. */
	if (r < 0)
		lose_server(fs);
	return r;
}

/* Kicks of the guest go to the server; this is for those in the name of the monitor. */
static void fs_kick(struct virtio_device *dev, unsigned queue)
{
	struct fs *fs = of(dev);

	if (fs->ring[queue].runs)
		shared_event_signal(fs->ring[queue].kick);
}

static void fs_reset(struct virtio_device *dev)
{
	struct fs *fs = of(dev);

	if (fs->server.fd >= 0 && stop_rings(fs) < 0)
		lose_server(fs);
}

static void fs_pause(struct virtio_device *dev)
{
	struct fs *fs = of(dev);

	if (fs->server.fd >= 0 && stop_rings(fs) < 0) {
		lose_server(fs);
		virtio_break(dev, "its server does not stop");
	}
}

static void fs_resume(struct virtio_device *dev)
{
	struct fs *fs = of(dev);

	vhost_user_begin(&fs->server);
	if (fs->server.fd >= 0 && start_rings(fs) < 0) {
		lose_server(fs);
		virtio_break(dev, "its server does not go on");
	}
}

static void fs_free(struct virtio_device *dev)
{
	struct fs *fs = of(dev);

	lose_server(fs);
	free(fs);
}

static const struct virtio_ops fs_ops = {
	.name = "fs",
	.id = VIRTIO_ID_FS,
	.hands_over = true,
	.start = fs_start,
	.kick = fs_kick,
	.reset = fs_reset,
	.pause = fs_pause,
	.resume = fs_resume,
	.free = fs_free,
};

static int check(const struct virtio_fs_setup *setup, const struct memory *mem, struct err *err)
{
	size_t len = strlen(setup->tag);

	if (len == 0 || len > VIRTIO_FS_TAG_MAX)
		return err_set(err, EINVAL, "fs: tag \"%s\": 1 to %d characters are allowed",
			       setup->tag, VIRTIO_FS_TAG_MAX);
	if (setup->queue_size > VIRTIO_FS_QUEUE_SIZE_MAX ||
	    setup->queue_size & (setup->queue_size - 1))
		return err_set(err, EINVAL,
			       "fs %s: a queue of %u: powers of two up to %d are allowed",
			       setup->tag, setup->queue_size, VIRTIO_FS_QUEUE_SIZE_MAX);
	if (mem->fd < 0)
		return err_set(err, EINVAL, "fs %s: its server needs the guest's memory shared",
			       setup->tag);
	return 0;
}

struct virtio_device *virtio_fs_new(const struct virtio_fs_setup *setup, const char *id,
				    struct loop *loop, const struct memory *mem, struct err *err)
{
	auto_close int server = setup->server;
	struct vhost_user connection;
	struct fs *fs;

	if (check(setup, mem, err) < 0)
		return NULL;
	if (shared_event_prepare() < 0 || vhost_user_open(&connection, server, err) < 0) {
		err_wrap(err, "fs %s", setup->tag);
		return NULL;
	}
	fs = xcalloc(1, sizeof(*fs));
	virtio_device_init(&fs->dev, &fs_ops, id, loop, mem, fs->queue, QUEUES,
			   setup->queue_size ? setup->queue_size : VIRTIO_FS_QUEUE_SIZE_DEFAULT);
	fs->server = connection;
	/* What of the rings it can do; of itself the device has no features here. */
	fs->dev.offered &= connection.features;
	memcpy(fs->config.tag, setup->tag, strlen(setup->tag));
	fs->config.num_request_queues = htole32(QUEUES - REQUESTS);
	fs->dev.config = &fs->config;
	fs->dev.config_len = sizeof(fs->config);
	fs->server_src = loop_add_fd(loop, server, EPOLLIN | EPOLLRDHUP, on_server, fs);
	if (!fs->server_src) {
		err_sys(err, errno, "fs %s: cannot watch its server", setup->tag);
		free(fs);
		return NULL;
	}
	(void)take_fd(&server);
	return &fs->dev;
}
