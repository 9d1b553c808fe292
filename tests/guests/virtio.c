/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio.h"

#define LOOKS	 10000U /* at a register, each an exit to the monitor */
#define PATIENCE 40U	/* times as many */

uint32_t device_at(struct device *d, unsigned i)
{
	*d = (struct device){ .page = (volatile uint8_t *)(VIRTIO_FIRST + 4096UL * i) };
	return read32(d, REG_MAGIC) == MAGIC ? read32(d, REG_DEVICE) : 0;
}

bool device_find(struct device *d, uint32_t kind, unsigned n)
{
	for (unsigned i = 0; i < VIRTIO_PAGES; i++) {
		if (device_at(d, i) == kind && n-- == 0)
			return true;
	}
	return false;
}

uint64_t device_features(const struct device *d)
{
	uint64_t f;

	write32(d, REG_FEATURES_SEL, 1);
	f = (uint64_t)read32(d, REG_FEATURES) << 32;
	write32(d, REG_FEATURES_SEL, 0);
	return f | read32(d, REG_FEATURES);
}

static void write64(const struct device *d, unsigned at, const void *p)
{
	write32(d, at, (uint32_t)(uintptr_t)p);
	write32(d, at + 4, (uintptr_t)p >> 32);
}

/* Rings stay where they were first put, so that a guest may start a device ever again. */
static void queue_start(struct device *d, unsigned i)
{
	struct queue *q = &d->queue[i];

	write32(d, REG_QUEUE, i);
	if (read32(d, REG_QUEUE_MAX) < RING_SIZE)
		return;
	if (!q->there) {
		q->desc = take(RING_SIZE * sizeof(struct desc), 4096);
		q->avail = take(sizeof(struct avail), 4096);
		q->used = take(sizeof(struct used), 4096);
		q->there = true;
	}
	memset(q->desc, 0, RING_SIZE * sizeof(struct desc));
	memset(q->avail, 0, sizeof(struct avail));
	memset(q->used, 0, sizeof(struct used));
	q->seen = 0;
	write32(d, REG_QUEUE_SIZE, RING_SIZE);
	write64(d, REG_DESC, q->desc);
	write64(d, REG_AVAIL, q->avail);
	write64(d, REG_USED, q->used);
	write32(d, REG_QUEUE_READY, 1);
}

void device_start(struct device *d, uint64_t features)
{
	features |= 1ULL << FEATURE_VERSION1;
	write32(d, REG_STATUS, 1);
	write32(d, REG_STATUS, 3);
	write32(d, REG_ACCEPT_SEL, 0);
	write32(d, REG_ACCEPT, (uint32_t)features);
	write32(d, REG_ACCEPT_SEL, 1);
	write32(d, REG_ACCEPT, features >> 32);
	write32(d, REG_STATUS, STATUS_FEATURES_OK);
	must(read32(d, REG_STATUS) == STATUS_FEATURES_OK);
	for (unsigned i = 0; i < 4; i++) {
		if (d->only == 0 || d->only == i + 1)
			queue_start(d, i);
	}
	write32(d, REG_STATUS, STATUS_DRIVER_OK);
}

void device_reset(struct device *d)
{
	write32(d, REG_STATUS, 0);
	must(read32(d, REG_STATUS) == 0);
}

void queue_offer(struct device *d, unsigned queue, uint16_t head)
{
	struct queue *q = &d->queue[queue];
	uint16_t idx = q->avail->idx;

	q->avail->ring[idx % RING_SIZE] = head;
	__atomic_store_n(&q->avail->idx, idx + 1, __ATOMIC_SEQ_CST);
	write32(d, REG_NOTIFY, queue);
}

int64_t queue_wait(struct device *d, unsigned queue)
{
	struct queue *q = &d->queue[queue];

	for (unsigned i = 0; i < LOOKS; i++) {
		if (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) != q->seen) {
			q->head = (uint16_t)q->used->ring[q->seen % RING_SIZE].id;
			return q->used->ring[q->seen++ % RING_SIZE].len;
		}
		read32(d, REG_STATUS);
	}
	return -1;
}

uint32_t queue_get(struct device *d, unsigned queue)
{
	for (unsigned i = 0; i < PATIENCE; i++) {
		int64_t n = queue_wait(d, queue);

		if (n >= 0)
			return (uint32_t)n;
	}
	fail("nothing came; the status is", read32(d, REG_STATUS));
}

void queue_put(struct device *d, unsigned queue, uint16_t head, void *buf, uint32_t len,
	       uint16_t flags)
{
	d->queue[queue].desc[head] = (struct desc){ (uintptr_t)buf, len, flags, 0 };
	queue_offer(d, queue, head);
}

uint32_t queue_do(struct device *d, unsigned queue, uint16_t head)
{
	int64_t n;

	queue_offer(d, queue, head);
	n = queue_wait(d, queue);
	if (n < 0)
		fail("no answer; the status is", read32(d, REG_STATUS));
	return (uint32_t)n;
}

bool device_breaks(struct device *d)
{
	for (unsigned i = 0; i < LOOKS; i++) {
		if (read32(d, REG_STATUS) & STATUS_NEEDS_RESET)
			return true;
	}
	return false;
}
