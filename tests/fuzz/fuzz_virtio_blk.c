/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk whose queue and requests are the input: what lies at 0x1000 of a
 * guest's memory (descriptors of 16 entries, then the available ring, then
 * whatever they point to). What is asked for is done, by both engines, and
 * leaves nothing behind.
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "vmm/virtio/blk.h"

#define SIZE	  16
#define DISK	  (64 << 10)
#define DESC	  0x1000
#define AVAIL	  (DESC + SIZE * 16)
#define USED	  0x8000
#define INPUT_MAX 4096

static void nothing(struct virtio_device *dev)
{
	(void)dev;
}

static void no_interrupt(struct virtio_device *dev, unsigned queue)
{
	(void)dev;
	must(queue == 0);
}

static const struct virtio_transport_ops transport = {
	.interrupt = no_interrupt,
	.kick_later = no_interrupt,
	.config_changed = nothing,
	.needs_reset = nothing,
	.lock = nothing,
	.unlock = nothing,
};

static struct virtio_device *make(struct loop *loop, const struct memory *m, uint8_t how)
{
	struct virtio_blk_setup setup = {
		.fd = memfd_create("disk", MFD_CLOEXEC),
		.read_only = how & 1,
		.no_flush = how & 2,
		.engine = how & 4 ? BLK_ENGINE_RING : BLK_ENGINE_SYNC,
	};
	struct virtio_device *dev;
	struct err err = ERR_INIT;

	must(setup.fd >= 0 && ftruncate(setup.fd, DISK) == 0);
	dev = virtio_blk_new(&setup, "fuzz", loop, m, &err);
	must(dev);
	dev->transport = &transport;
	return dev;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop *loop = loop_new();
	struct err err = ERR_INIT;
	struct virtio_device *dev;
	struct memory m;

	if (size > INPUT_MAX)
		size = INPUT_MAX;
	must(memory_init(&m, 1 << 20, 1 << 20, 1ULL << 32, false, &err) == 0);
	if (size > 1)
		memcpy(memory_at(&m, DESC, size - 1), data + 1, size - 1);
	dev = make(loop, &m, size > 0 ? data[0] : 0);
	dev->queues[0] = (struct virtq){ .max = dev->queues[0].max,
					 .size = SIZE,
					 .ready = true,
					 .desc = DESC,
					 .avail = AVAIL,
					 .used = USED };
	virtio_device_start(dev,
			    size > 0 && data[0] & 8 ? 1ULL << VIRTIO_F_VERSION_1 : dev->offered);
	virtio_device_kick(dev, 0);
	must(dev->queues[0].taken <= SIZE);
	virtio_device_pause(dev);
	must(dev->queues[0].taken == 0);
	virtio_device_resume(dev);
	virtio_device_reset(dev);
	must(loop_step(loop, 0) == 0);
	virtio_device_free(dev);
	memory_done(&m);
	loop_free(loop);
	return 0;
}
