/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/registers.h"

#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define VENDOR 0x6174616b /* "kata" */

void registers_init(struct registers *r, struct virtio_device *dev)
{
	*r = (struct registers){ .dev = dev };
	r->queues = xcalloc(dev->n_queues, sizeof(*r->queues));
}

void registers_free(struct registers *r)
{
	free(r->queues);
	r->queues = NULL;
}

void registers_forget(struct registers *r)
{
	r->state = DEVICE_IDLE;
	r->status = 0;
	r->driver_features = 0;
	r->device_features_sel = r->driver_features_sel = r->queue_sel = 0;
	memset(r->queues, 0, sizeof(*r->queues) * r->dev->n_queues);
	__atomic_store_n(&r->interrupt_status, 0, __ATOMIC_RELAXED);
}

/* What the device does not know of yet is forgotten at once; a running one is the loop's. */
static enum registers_wish reset(struct registers *r)
{
	if (r->state == DEVICE_IDLE || r->state == DEVICE_STARTING) {
		registers_forget(r);
		return REGISTERS_NOTHING;
	}
	r->state = DEVICE_RESETTING;
	return REGISTERS_RESET;
}

/* Section 2.2.2: a subset of what is offered, and never a device of before version 1. */
static bool acceptable(const struct registers *r)
{
	return (r->driver_features & ~r->dev->offered) == 0 &&
	       r->driver_features & 1ULL << VIRTIO_F_VERSION_1;
}

/* Section 3.1.1. Bits are only ever added, but by a reset; NEEDS_RESET is the device's. */
static enum registers_wish write_status(struct registers *r, uint32_t value)
{
	uint32_t added = value & ~r->status & 0xff & ~(uint32_t)VIRTIO_CONFIG_S_NEEDS_RESET;

	if (value == 0)
		return reset(r);
	if (r->state == DEVICE_RESETTING)
		return REGISTERS_NOTHING;
	if (added & VIRTIO_CONFIG_S_FEATURES_OK && !acceptable(r))
		added &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
	if (!((r->status | added) & VIRTIO_CONFIG_S_FEATURES_OK))
		added &= ~(uint32_t)VIRTIO_CONFIG_S_DRIVER_OK;
	r->status |= added;
	if (!(added & VIRTIO_CONFIG_S_DRIVER_OK))
		return REGISTERS_NOTHING;
	r->state = DEVICE_STARTING;
	return REGISTERS_WORK;
}

static void set_half(uint64_t *word, bool high, uint32_t value)
{
	unsigned shift = high ? 32 : 0;

	*word = (*word & ~(0xffffffffULL << shift)) | (uint64_t)value << shift;
}

/* Of the selected queue, while nobody but the driver knows it. */
static void write_queue(struct registers *r, uint64_t offset, uint32_t value)
{
	struct queue_registers *q = &r->queues[r->queue_sel];

	if (r->queue_sel >= r->dev->n_queues || r->state != DEVICE_IDLE)
		return;
	if (offset == VIRTIO_MMIO_QUEUE_READY) {
		q->ready = value & 1;
		return;
	}
	if (q->ready)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		q->size = value <= r->dev->queues[r->queue_sel].max ? value : 0;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&q->desc, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&q->avail, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&q->used, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
		break;
	}
}

static enum registers_wish write_register(struct registers *r, uint64_t offset, uint32_t value,
					  unsigned *queue)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		r->device_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		r->driver_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		/* Agreed is agreed; and a bit beyond 63 can only be one that is not offered. */
		if (!(r->status & VIRTIO_CONFIG_S_FEATURES_OK) && r->driver_features_sel < 2)
			set_half(&r->driver_features, r->driver_features_sel, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		r->queue_sel = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		*queue = value;
		return value < r->dev->n_queues ? REGISTERS_KICK : REGISTERS_NOTHING;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		__atomic_fetch_and(&r->interrupt_status, ~value, __ATOMIC_RELAXED);
		break;
	case VIRTIO_MMIO_STATUS:
		return write_status(r, value);
	default:
		write_queue(r, offset, value);
	}
	return REGISTERS_NOTHING;
}

static uint32_t read_register(const struct registers *r, uint64_t offset)
{
	const struct virtio_device *dev = r->dev;
	bool queue = r->queue_sel < dev->n_queues;

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return 'v' | 'i' << 8 | 'r' << 16 | 't' << 24;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return dev->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return r->device_features_sel < 2 ?
			       (uint32_t)(dev->offered >> (32 * r->device_features_sel)) :
			       0;
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? dev->queues[r->queue_sel].max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue && r->queues[r->queue_sel].ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		/* Acquire: pairs with the release of who sets it, so the guest sees what it is told of. */
		return __atomic_load_n(&r->interrupt_status, __ATOMIC_ACQUIRE) |
		       __atomic_load_n(&r->handed_over, __ATOMIC_RELAXED);
	case VIRTIO_MMIO_STATUS:
		return r->status;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return r->generation;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
		return UINT32_MAX; /* section 4.2.2: no such region */
	}
	return 0;
}

static bool in_config(const struct registers *r, uint64_t offset, uint32_t len)
{
	return offset >= VIRTIO_MMIO_CONFIG && offset - VIRTIO_MMIO_CONFIG < r->dev->config_len &&
	       len <= r->dev->config_len - (offset - VIRTIO_MMIO_CONFIG);
}

void registers_read(const struct registers *r, uint64_t offset, void *data, uint32_t len)
{
	uint32_t value;

	memset(data, 0, len);
	if (in_config(r, offset, len)) {
		memcpy(data, (uint8_t *)r->dev->config + (offset - VIRTIO_MMIO_CONFIG), len);
	} else if (len == sizeof(value) && offset % sizeof(value) == 0) {
		value = htole32(read_register(r, offset));
		memcpy(data, &value, sizeof(value));
	}
}

static enum registers_wish write_config(struct registers *r, uint64_t offset, const void *data,
					uint32_t len)
{
	struct virtio_device *dev = r->dev;

	if (offset < dev->config_writable_from || offset + len > dev->config_writable_to)
		return REGISTERS_NOTHING;
	memcpy((uint8_t *)dev->config + offset, data, len);
	r->config_written = true;
	return REGISTERS_WORK;
}

enum registers_wish registers_write(struct registers *r, uint64_t offset, const void *data,
				    uint32_t len, unsigned *queue)
{
	uint32_t value;

	if (in_config(r, offset, len))
		return write_config(r, offset - VIRTIO_MMIO_CONFIG, data, len);
	if (len != sizeof(value) || offset % sizeof(value) != 0)
		return REGISTERS_NOTHING;
	memcpy(&value, data, sizeof(value));
	return write_register(r, offset, le32toh(value), queue);
}
