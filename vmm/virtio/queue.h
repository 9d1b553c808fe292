/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's side of a split virtqueue (virtio 1.2, section 2.7), with indirect
 * descriptors and event indices. All of a ring is the guest's and nothing of it is
 * trusted: each index, address, length and flag is read once and checked; a chain is
 * bounded by the queue's size. A ring that breaks the rules is -EPROTO, and the device
 * that gets it calls virtio_break().
 *
 * What is promised of whatever a guest writes: at most q->size chains are out at a time,
 * and no two of them have the same head, so a device may keep what it knows of a request
 * in an array indexed by head.
 *
 * Used by one thread, the loop's.
 */
#ifndef VMM_VIRTIO_QUEUE_H
#define VMM_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/memory.h"

#define VIRTQ_SIZE_MAX 256 /* of a queue that a device of ours offers; powers of two */

struct vring_desc;
struct vring_avail;
struct vring_used;

struct virtq {
	uint16_t max; /* as offered: a power of two up to VIRTQ_SIZE_MAX */

	/* What the driver set up, before DRIVER_OK. */
	uint16_t size; /* as chosen: a power of two, 1 to max */
	bool ready;
	gpa_t desc, avail, used;

	/* From virtq_start() to virtq_stop(). */
	const struct memory *mem;
	const struct vring_desc *desc_ring; /* checked pointers into guest memory */
	struct vring_avail *avail_ring;
	struct vring_used *used_ring;
	uint16_t next_avail, next_used;
	uint16_t seen_avail; /* the driver's index when it was last looked at */
	uint16_t signalled;  /* next_used when the driver was last thought of */
	bool event_idx, indirect;
	unsigned taken; /* chains that were popped and not yet pushed */
	uint64_t taken_heads[VIRTQ_SIZE_MAX / 64];
};

/*
 * Where a chain's buffers lie: @iov[0 … readable) the device may read, the @writable that
 * follow it may write. Lengths are what the guest said, whole and in guest memory; all
 * together are 4 GiB at most. Empty buffers (length 0) are left out. The pointers hold as
 * long as the memory; nothing behind them does.
 */
struct virtq_chain {
	uint16_t head;
	unsigned readable, writable;
	uint64_t readable_len, writable_len;
	struct iovec iov[VIRTQ_SIZE_MAX];
};

/*
 * Check what the driver set up and begin: 0; -EPROTO when a ring is misaligned, not in
 * guest memory or its size is none. A queue that is not ready is left alone (0), and
 * nothing ever comes from it.
 */
int virtq_start(struct virtq *q, const struct memory *mem, bool event_idx, bool indirect);
/* Forget everything but @max. */
void virtq_stop(struct virtq *q);

/* 1 and the next chain in *@c; 0 when there is none; -EPROTO. */
int virtq_pop(struct virtq *q, struct virtq_chain *c);
/*
 * Give back the chain @head that was popped last, as if it never had been; then the one
 * that was popped before it may be given back as well.
 */
void virtq_unpop(struct virtq *q, uint16_t head);
/* Hand the chain @head, which is out, back with @written bytes in its writable part. */
void virtq_push(struct virtq *q, uint16_t head, uint32_t written);
/*
 * The same for several that belong together, so that the driver sees all of them or none:
 * fill in one after another, @i from 0, then publish all @n.
 */
void virtq_fill(struct virtq *q, unsigned i, uint16_t head, uint32_t written);
void virtq_publish(struct virtq *q, unsigned n);
/* Does the driver want an interrupt for what was pushed since the last call? */
bool virtq_wants_interrupt(struct virtq *q);
/*
 * Ask for kicks, or say that none are needed (a hint that the driver may ignore). After
 * asking, look once more: true when chains are waiting already. So a queue is emptied by
 *
 *	do {
 *		virtq_kicks(q, false);
 *		while ((r = virtq_pop(q, &chain)) > 0)
 *			…
 *	} while (r == 0 && virtq_kicks(q, true));
 */
bool virtq_kicks(struct virtq *q, bool wanted);

/* Over a chain's buffers: bytes copied, at most @len, from byte @skip of the part on. */
size_t virtq_read(const struct virtq_chain *c, uint64_t skip, void *buf, size_t len);
size_t virtq_write(const struct virtq_chain *c, uint64_t skip, const void *buf, size_t len);

#endif
