/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of a virtio device, for tests without a processor: guest memory,
 * rings that a test fills in as it likes (well or badly), and the register file. All on
 * one thread: the loop turns when guest_run() or guest_wait() turn it.
 *
 * What a helper cannot do it asserts, so that tests read as what they test.
 */
#ifndef TESTS_UNIT_VMM_GUEST_DRIVER_H
#define TESTS_UNIT_VMM_GUEST_DRIVER_H

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "vmm/memory.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/mmio.h"
#include "vmm/virtio/queue.h"

#define GUEST_WAIT_MS 10000
#define GUEST_QUEUES  8

struct guest {
	struct memory mem;
	struct loop *loop;
	gpa_t next; /* what guest_alloc() gives next */
};

/* 16 MiB of memory in two regions, 8 MiB from 0 and 8 MiB from 4 GiB, and a loop. */
#define GUEST_LOW  (8ULL << 20)
#define GUEST_HIGH (4ULL << 30)
void guest_init(struct guest *g);
void guest_done(struct guest *g);
/* Zeroed memory of the guest's, never given back. */
gpa_t guest_alloc(struct guest *g, size_t len, size_t align);
void *guest_ptr(struct guest *g, gpa_t addr, size_t len);
/* The same with @data in it. */
gpa_t guest_put(struct guest *g, const void *data, size_t len);
/* Let the loop do what waits for it, without waiting. */
void guest_run(struct guest *g);

/* One queue's rings. */
struct guest_ring {
	struct guest *g;
	uint16_t size;
	gpa_t desc_at, avail_at, used_at;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_desc; /* descriptors are used one after another, round and round */
	uint16_t seen;	    /* of the used ring */
};

struct guest_buffer {
	gpa_t addr;
	uint32_t len;
	bool writable; /* by the device */
};

void guest_ring_init(struct guest_ring *r, struct guest *g, uint16_t size);
/* Tell @q of the rings directly, for tests without a transport. */
void guest_ring_attach(const struct guest_ring *r, struct virtq *q);
/* Fill in descriptors, chained, or a table of their own; the head. */
uint16_t guest_chain(struct guest_ring *r, const struct guest_buffer *b, unsigned n);
uint16_t guest_indirect(struct guest_ring *r, const struct guest_buffer *b, unsigned n);
/* Make a chain available. */
void guest_offer(struct guest_ring *r, uint16_t head);
/* The next used element, if there is one. */
bool guest_used(struct guest_ring *r, uint32_t *head, uint32_t *written);
/* With event indices: ask for an interrupt with the next used element. */
void guest_want_interrupt(struct guest_ring *r);
/* And behind which index the device asks to be kicked. */
uint16_t guest_asked(const struct guest_ring *r);

/* A device behind its registers. */
struct guest_device {
	struct guest *g;
	struct virtio_mmio *t;
	struct guest_ring ring[GUEST_QUEUES];
	unsigned n;
};

/* @dev is taken over. */
void guest_device_init(struct guest_device *d, struct guest *g, struct virtio_device *dev);
void guest_device_done(struct guest_device *d);
uint32_t guest_read32(struct guest_device *d, uint64_t offset);
void guest_write32(struct guest_device *d, uint64_t offset, uint32_t value);
uint64_t guest_features(struct guest_device *d);
/*
 * As section 3.1.1 says, up to DRIVER_OK, with all queues as big as they may be, up to
 * @queue_size. @features | VERSION_1 must be offered. The loop has started the device.
 */
void guest_device_start(struct guest_device *d, uint64_t features, uint16_t queue_size);
/* The same, while the loop may not even know of it: for a thread that is a processor. */
void guest_device_begin(struct guest_device *d, uint64_t features, uint16_t queue_size);
void guest_device_reset(struct guest_device *d);
bool guest_device_broken(struct guest_device *d);
void guest_kick(struct guest_device *d, unsigned queue);
/* Was there an interrupt since the last call? The reasons; acknowledged. */
uint32_t guest_interrupted(struct guest_device *d);
/* Turn the loop until @queue gives a chain back: bytes written. Asserts that it comes. */
uint32_t guest_wait(struct guest_device *d, unsigned queue, uint32_t *head);
/*
 * One request of @out_len bytes to the device with room for @in_len bytes, from the offer to
 * the answer in @in: bytes written. Either length may be 0.
 */
uint32_t guest_request(struct guest_device *d, unsigned queue, const void *out, uint32_t out_len,
		       void *in, uint32_t in_len);

#endif
