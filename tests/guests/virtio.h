/* SPDX-License-Identifier: Apache-2.0 */
/* The least driver of a virtio device over MMIO: it polls, and asks one thing at a time. */
#ifndef TESTS_GUESTS_VIRTIO_H
#define TESTS_GUESTS_VIRTIO_H

#include "guest.h"

#define VIRTIO_FIRST 0xd0000000UL /* a page for each device */
#define VIRTIO_PAGES 32

/* Registers, virtio 1.2, section 4.2.2. */
#define REG_MAGIC	 0x000
#define REG_VERSION	 0x004
#define REG_DEVICE	 0x008
#define REG_FEATURES	 0x010
#define REG_FEATURES_SEL 0x014
#define REG_ACCEPT	 0x020
#define REG_ACCEPT_SEL	 0x024
#define REG_QUEUE	 0x030
#define REG_QUEUE_MAX	 0x034
#define REG_QUEUE_SIZE	 0x038
#define REG_QUEUE_READY	 0x044
#define REG_NOTIFY	 0x050
#define REG_INTERRUPT	 0x060
#define REG_ACK		 0x064
#define REG_STATUS	 0x070
#define REG_DESC	 0x080
#define REG_AVAIL	 0x090
#define REG_USED	 0x0a0
#define REG_CONFIG	 0x100

#define MAGIC 0x74726976

#define STATUS_FEATURES_OK 11
#define STATUS_DRIVER_OK   15
#define STATUS_NEEDS_RESET 0x40

#define ID_NET	   1
#define ID_BLK	   2
#define ID_CONSOLE 3
#define ID_RNG	   4
#define ID_BALLOON 5
#define ID_VSOCK   19
#define ID_FS	   26

#define FEATURE_INDIRECT 28
#define FEATURE_EVENT	 29
#define FEATURE_VERSION1 32

#define D_NEXT	   1
#define D_WRITE	   2
#define D_INDIRECT 4

#define RING_SIZE 16

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct avail {
	uint16_t flags, idx, ring[RING_SIZE], used_event;
};

struct used {
	uint16_t flags, idx;
	struct {
		uint32_t id, len;
	} ring[RING_SIZE];
	uint16_t avail_event;
};

struct queue {
	struct desc *desc;
	struct avail *avail;
	struct used *used;
	uint16_t seen, head; /* of what came last */
	bool there;
};

struct device {
	volatile uint8_t *page;
	unsigned only; /* 0: all queues are set up; else the one of this number, less one */
	struct queue queue[4];
};

static inline uint32_t read32(const struct device *d, unsigned at)
{
	return *(volatile uint32_t *)(uintptr_t)(d->page + at);
}

static inline void write32(const struct device *d, unsigned at, uint32_t v)
{
	*(volatile uint32_t *)(uintptr_t)(d->page + at) = v;
}

/* The device in page @i, if there is one: its kind, else 0. */
uint32_t device_at(struct device *d, unsigned i);
/* The @n-th of that kind. */
bool device_find(struct device *d, uint32_t kind, unsigned n);
uint64_t device_features(const struct device *d);
/* With fresh rings for the first four queues, up to DRIVER_OK. */
void device_start(struct device *d, uint64_t features);
void device_reset(struct device *d);
/* A chain of one buffer, of which the device reads or, with D_WRITE in @flags, writes. */
void queue_put(struct device *d, unsigned queue, uint16_t head, void *buf, uint32_t len,
	       uint16_t flags);
/* Make what @head begins with available, and kick. */
void queue_offer(struct device *d, unsigned queue, uint16_t head);
/* Wait (not for ever) for a used element: its length, or -1. */
int64_t queue_wait(struct device *d, unsigned queue);
/* The same with more patience, for what others have to do first; fail() where nothing comes. */
uint32_t queue_get(struct device *d, unsigned queue);
/* Offer and wait; fail() where nothing comes. */
uint32_t queue_do(struct device *d, unsigned queue, uint16_t head);
/* Wait (not for ever) until the device wants to be reset. */
bool device_breaks(struct device *d);

#endif
