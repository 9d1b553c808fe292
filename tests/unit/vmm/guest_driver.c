/* SPDX-License-Identifier: Apache-2.0 */
#include "guest_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define STATUS_TO_FEATURES_OK \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

void guest_init(struct guest *g)
{
	struct err err = ERR_INIT;

	*g = (struct guest){ .next = 4096, .loop = loop_new() };
	assert_non_null(g->loop);
	assert_int_equal(memory_init(&g->mem, 16 << 20, GUEST_LOW, GUEST_HIGH, false, &err), 0);
}

void guest_done(struct guest *g)
{
	loop_free(g->loop);
	memory_done(&g->mem);
}

gpa_t guest_alloc(struct guest *g, size_t len, size_t align)
{
	gpa_t at = (g->next + align - 1) & ~(gpa_t)(align - 1);

	memset(guest_ptr(g, at, len), 0, len);
	g->next = at + len;
	return at;
}

void *guest_ptr(struct guest *g, gpa_t addr, size_t len)
{
	void *p = memory_at(&g->mem, addr, len);

	assert_non_null(p);
	return p;
}

gpa_t guest_put(struct guest *g, const void *data, size_t len)
{
	gpa_t at = guest_alloc(g, len, 16);

	memcpy(guest_ptr(g, at, len), data, len);
	return at;
}

void guest_run(struct guest *g)
{
	/* What one round starts, the next ones see the end of. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_step(g->loop, 0), 0);
}

void guest_ring_init(struct guest_ring *r, struct guest *g, uint16_t size)
{
	size_t avail = sizeof(*r->avail) + 2UL * size + 2;
	size_t used = sizeof(*r->used) + sizeof(*r->used->ring) * size + 2;

	*r = (struct guest_ring){ .g = g, .size = size };
	r->desc_at = guest_alloc(g, sizeof(*r->desc) * size, 16);
	r->avail_at = guest_alloc(g, avail, 2);
	r->used_at = guest_alloc(g, used, 4);
	r->desc = guest_ptr(g, r->desc_at, sizeof(*r->desc) * size);
	r->avail = guest_ptr(g, r->avail_at, avail);
	r->used = guest_ptr(g, r->used_at, used);
}

void guest_ring_attach(const struct guest_ring *r, struct virtq *q)
{
	q->size = r->size;
	q->ready = true;
	q->desc = r->desc_at;
	q->avail = r->avail_at;
	q->used = r->used_at;
}

static struct vring_desc descriptor(const struct guest_buffer *b, unsigned i, unsigned n,
				    unsigned next)
{
	return (struct vring_desc){
		.addr = b[i].addr,
		.len = b[i].len,
		.flags = (b[i].writable ? VRING_DESC_F_WRITE : 0) |
			 (i + 1 < n ? VRING_DESC_F_NEXT : 0),
		.next = i + 1 < n ? next : 0,
	};
}

uint16_t guest_chain(struct guest_ring *r, const struct guest_buffer *b, unsigned n)
{
	uint16_t head = r->next_desc;

	for (unsigned i = 0; i < n; i++) {
		uint16_t at = r->next_desc;

		r->next_desc = (at + 1) % r->size;
		r->desc[at] = descriptor(b, i, n, r->next_desc);
	}
	return head;
}

uint16_t guest_indirect(struct guest_ring *r, const struct guest_buffer *b, unsigned n)
{
	uint16_t head = r->next_desc;
	gpa_t at = guest_alloc(r->g, sizeof(*r->desc) * n, 16);
	struct vring_desc *table = guest_ptr(r->g, at, sizeof(*r->desc) * n);

	for (unsigned i = 0; i < n; i++)
		table[i] = descriptor(b, i, n, i + 1);
	r->desc[head] = (struct vring_desc){
		.addr = at,
		.len = sizeof(*r->desc) * n,
		.flags = VRING_DESC_F_INDIRECT,
	};
	r->next_desc = (head + 1) % r->size;
	return head;
}

void guest_offer(struct guest_ring *r, uint16_t head)
{
	uint16_t idx = r->avail->idx;

	r->avail->ring[idx % r->size] = head;
	__atomic_store_n(&r->avail->idx, idx + 1, __ATOMIC_RELEASE);
}

bool guest_used(struct guest_ring *r, uint32_t *head, uint32_t *written)
{
	if (__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) == r->seen)
		return false;
	if (head)
		*head = r->used->ring[r->seen % r->size].id;
	if (written)
		*written = r->used->ring[r->seen % r->size].len;
	r->seen++;
	return true;
}

void guest_want_interrupt(struct guest_ring *r)
{
	r->avail->ring[r->size] = r->seen;
}

uint16_t guest_asked(const struct guest_ring *r)
{
	const uint16_t *asked = (const uint16_t *)(const void *)&r->used->ring[r->size];

	return __atomic_load_n(asked, __ATOMIC_RELAXED);
}

void guest_device_init(struct guest_device *d, struct guest *g, struct virtio_device *dev)
{
	struct err err = ERR_INIT;

	assert_non_null(dev);
	*d = (struct guest_device){ .g = g, .t = virtio_mmio_new(dev, &err), .n = dev->n_queues };
	assert_non_null(d->t);
	assert_true(d->n <= GUEST_QUEUES);
}

void guest_device_done(struct guest_device *d)
{
	virtio_mmio_free(d->t);
}

uint32_t guest_read32(struct guest_device *d, uint64_t offset)
{
	uint32_t v;

	virtio_mmio_read(d->t, offset, &v, sizeof(v));
	return v;
}

void guest_write32(struct guest_device *d, uint64_t offset, uint32_t value)
{
	virtio_mmio_write(d->t, offset, &value, sizeof(value));
}

uint64_t guest_features(struct guest_device *d)
{
	uint64_t f;

	guest_write32(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	f = (uint64_t)guest_read32(d, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	guest_write32(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	return f | guest_read32(d, VIRTIO_MMIO_DEVICE_FEATURES);
}

static void set_queue(struct guest_device *d, unsigned i, uint16_t size)
{
	struct guest_ring *r = &d->ring[i];
	uint32_t max;

	guest_write32(d, VIRTIO_MMIO_QUEUE_SEL, i);
	max = guest_read32(d, VIRTIO_MMIO_QUEUE_NUM_MAX);
	assert_int_not_equal(max, 0);
	guest_ring_init(r, d->g, size < max ? size : max);
	guest_write32(d, VIRTIO_MMIO_QUEUE_NUM, r->size);
	guest_write32(d, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)r->desc_at);
	guest_write32(d, VIRTIO_MMIO_QUEUE_DESC_HIGH, r->desc_at >> 32);
	guest_write32(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)r->avail_at);
	guest_write32(d, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, r->avail_at >> 32);
	guest_write32(d, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)r->used_at);
	guest_write32(d, VIRTIO_MMIO_QUEUE_USED_HIGH, r->used_at >> 32);
	guest_write32(d, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(guest_read32(d, VIRTIO_MMIO_QUEUE_READY), 1);
}

void guest_device_begin(struct guest_device *d, uint64_t features, uint16_t queue_size)
{
	features |= 1ULL << VIRTIO_F_VERSION_1;
	assert_int_equal(features & ~guest_features(d), 0);
	guest_write32(d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	guest_write32(d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	guest_write32(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	guest_write32(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	guest_write32(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	guest_write32(d, VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
	guest_write32(d, VIRTIO_MMIO_STATUS, STATUS_TO_FEATURES_OK);
	assert_int_equal(guest_read32(d, VIRTIO_MMIO_STATUS), STATUS_TO_FEATURES_OK);
	for (unsigned i = 0; i < d->n; i++)
		set_queue(d, i, queue_size);
	guest_write32(d, VIRTIO_MMIO_STATUS, STATUS_TO_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

void guest_device_start(struct guest_device *d, uint64_t features, uint16_t queue_size)
{
	guest_device_begin(d, features, queue_size);
	guest_run(d->g);
}

void guest_device_reset(struct guest_device *d)
{
	guest_write32(d, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(guest_read32(d, VIRTIO_MMIO_STATUS), 0);
}

bool guest_device_broken(struct guest_device *d)
{
	return guest_read32(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

void guest_kick(struct guest_device *d, unsigned queue)
{
	guest_write32(d, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	guest_run(d->g);
}

uint32_t guest_interrupted(struct guest_device *d)
{
	uint32_t reasons = 0;
	uint64_t edges;

	if (read(virtio_mmio_interrupt_fd(d->t), &edges, sizeof(edges)) == sizeof(edges)) {
		reasons = guest_read32(d, VIRTIO_MMIO_INTERRUPT_STATUS);
		guest_write32(d, VIRTIO_MMIO_INTERRUPT_ACK, reasons);
	}
	return reasons;
}

uint32_t guest_wait(struct guest_device *d, unsigned queue, uint32_t *head)
{
	int64_t until = loop_now_ms() + GUEST_WAIT_MS;
	uint32_t written;

	while (!guest_used(&d->ring[queue], head, &written)) {
		assert_true(loop_now_ms() < until);
		assert_int_equal(loop_step(d->g->loop, 100), 0);
	}
	return written;
}

uint32_t guest_request(struct guest_device *d, unsigned queue, const void *out, uint32_t out_len,
		       void *in, uint32_t in_len)
{
	struct guest_buffer b[2];
	uint32_t head, got, written;
	unsigned n = 0;
	uint16_t offered;

	if (out_len > 0)
		b[n++] = (struct guest_buffer){ guest_put(d->g, out, out_len), out_len, false };
	if (in_len > 0)
		b[n++] = (struct guest_buffer){ guest_alloc(d->g, in_len, 16), in_len, true };
	offered = guest_chain(&d->ring[queue], b, n);
	guest_offer(&d->ring[queue], offered);
	guest_kick(d, queue);
	written = guest_wait(d, queue, &head);
	assert_int_equal(head, offered);
	assert_true(written <= in_len);
	if (in_len > 0) {
		got = written < in_len ? written : in_len;
		memcpy(in, guest_ptr(d->g, b[n - 1].addr, in_len), got);
	}
	return written;
}
