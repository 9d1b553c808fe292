/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/device.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define BREAKS_LOGGED 8

void virtio_device_init(struct virtio_device *dev, const struct virtio_ops *ops, const char *id,
			struct loop *loop, const struct memory *mem, struct virtq *queues,
			unsigned n_queues, uint16_t queue_size)
{
	dev->ops = ops;
	dev->id = id;
	dev->loop = loop;
	dev->mem = mem;
	dev->queues = queues;
	dev->n_queues = n_queues;
	for (unsigned i = 0; i < n_queues; i++)
		queues[i].max = queue_size;
	dev->offered = 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX |
		       1ULL << VIRTIO_RING_F_INDIRECT_DESC;
}

void virtio_device_free(struct virtio_device *dev)
{
	if (!dev)
		return;
	virtio_device_reset(dev);
	dev->ops->free(dev);
}

static void kick_all(struct virtio_device *dev)
{
	for (unsigned i = 0; i < dev->n_queues; i++)
		virtio_device_kick(dev, i);
}

void virtio_device_start(struct virtio_device *dev, uint64_t features)
{
	int r;

	dev->features = features;
	for (unsigned i = 0; i < dev->n_queues; i++) {
		r = virtq_start(&dev->queues[i], dev->mem, virtio_has(dev, VIRTIO_RING_F_EVENT_IDX),
				virtio_has(dev, VIRTIO_RING_F_INDIRECT_DESC));
		if (r < 0) {
			virtio_break(dev, "queue %u: its rings are not in guest memory", i);
			return;
		}
	}
	dev->started = true;
	r = dev->ops->start(dev);
	if (r < 0)
		virtio_break(dev, "cannot start: %s", strerror(-r));
	else
		kick_all(dev);
}

void virtio_device_reset(struct virtio_device *dev)
{
	if (dev->started)
		dev->ops->reset(dev);
	for (unsigned i = 0; i < dev->n_queues; i++)
		virtq_stop(&dev->queues[i]);
	dev->started = dev->broken = false;
	dev->features = 0;
}

void virtio_device_kick(struct virtio_device *dev, unsigned queue)
{
	if (queue < dev->n_queues && virtio_runs(dev) && dev->queues[queue].ready)
		dev->ops->kick(dev, queue);
}

void virtio_device_config_written(struct virtio_device *dev)
{
	if (dev->ops->config_written)
		dev->ops->config_written(dev);
}

void virtio_device_pause(struct virtio_device *dev)
{
	if (dev->paused)
		return;
	dev->paused = true;
	if (dev->started && dev->ops->pause)
		dev->ops->pause(dev);
}

void virtio_device_resume(struct virtio_device *dev)
{
	if (!dev->paused)
		return;
	dev->paused = false;
	if (dev->started && dev->ops->resume)
		dev->ops->resume(dev);
	kick_all(dev);
}

void virtio_notify(struct virtio_device *dev, unsigned queue)
{
	if (virtq_wants_interrupt(&dev->queues[queue]) && dev->transport)
		dev->transport->interrupt(dev, queue);
}

void virtio_kick_later(struct virtio_device *dev, unsigned queue)
{
	if (dev->transport)
		dev->transport->kick_later(dev, queue);
}

void virtio_hand_over(struct virtio_device *dev, unsigned queue, int *kick, int *call)
{
	dev->transport->hand_over(dev, queue, kick, call);
}

static void lock(struct virtio_device *dev)
{
	if (dev->transport)
		dev->transport->lock(dev);
}

static void unlock(struct virtio_device *dev)
{
	if (dev->transport)
		dev->transport->unlock(dev);
}

void virtio_set_config(struct virtio_device *dev, uint32_t offset, const void *data, uint32_t len)
{
	lock(dev);
	memcpy((uint8_t *)dev->config + offset, data, len);
	unlock(dev);
	if (dev->transport)
		dev->transport->config_changed(dev);
}

void virtio_get_config(struct virtio_device *dev, uint32_t offset, void *data, uint32_t len)
{
	lock(dev);
	memcpy(data, (uint8_t *)dev->config + offset, len);
	unlock(dev);
}

void virtio_break(struct virtio_device *dev, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	if (dev->broken)
		return;
	dev->broken = true;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (dev->breaks < BREAKS_LOGGED)
		log_warn("%s %s stopped: %s%s", dev->ops->name, dev->id, text,
			 dev->breaks == BREAKS_LOGGED - 1 ? " (no more is said of it)" : "");
	dev->breaks++;
	if (dev->transport)
		dev->transport->needs_reset(dev);
}
