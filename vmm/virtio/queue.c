/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/queue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

/* Rings are little endian, and so is every processor that this runs on: no swapping. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a little endian host");

/* Sections 2.7.4, 2.7.6, 2.7.8: where the rings must be aligned to, and their sizes. */
#define AVAIL_BYTES(size) (sizeof(struct vring_avail) + 2ULL * (size) + 2)
#define USED_BYTES(size)  (sizeof(struct vring_used) + sizeof(struct vring_used_elem) * (size) + 2)

#define CHAIN_BYTES_MAX (1ULL << 32) /* section 2.7.5 */

/* With event indices one more number stands behind each ring (section 2.7.7, 2.7.10). */
static uint16_t *used_event(const struct virtq *q)
{
	return &q->avail_ring->ring[q->size];
}

static uint16_t *avail_event(const struct virtq *q)
{
	return (uint16_t *)(void *)&q->used_ring->ring[q->size];
}

static void mark(struct virtq *q, uint16_t head, bool out)
{
	uint64_t bit = 1ULL << (head % 64);

	if (out)
		q->taken_heads[head / 64] |= bit;
	else
		q->taken_heads[head / 64] &= ~bit;
	q->taken += out ? 1 : -1U;
}

static bool is_out(const struct virtq *q, uint16_t head)
{
	return q->taken_heads[head / 64] >> (head % 64) & 1;
}

int virtq_start(struct virtq *q, const struct memory *mem, bool event_idx, bool indirect)
{
	if (!q->ready)
		return 0;
	if (q->size == 0 || q->size > q->max || q->size & (q->size - 1))
		return -EPROTO;
	if (q->desc % 16 || q->avail % 2 || q->used % 4)
		return -EPROTO;
	q->mem = mem;
	q->desc_ring = memory_at(mem, q->desc, sizeof(struct vring_desc) * q->size);
	q->avail_ring = memory_at(mem, q->avail, AVAIL_BYTES(q->size));
	q->used_ring = memory_at(mem, q->used, USED_BYTES(q->size));
	if (!q->desc_ring || !q->avail_ring || !q->used_ring) {
		virtq_stop(q);
		return -EPROTO;
	}
	q->event_idx = event_idx;
	q->indirect = indirect;
	return 0;
}

void virtq_stop(struct virtq *q)
{
	*q = (struct virtq){ .max = q->max };
}

/* Each field once: what is checked is what is used. */
static struct vring_desc read_desc(const struct vring_desc *d)
{
	return (struct vring_desc){
		.addr = READ_GUEST(d->addr),
		.len = READ_GUEST(d->len),
		.flags = READ_GUEST(d->flags),
		.next = READ_GUEST(d->next),
	};
}

static int add_buffer(const struct virtq *q, const struct vring_desc *d, struct virtq_chain *c)
{
	bool write = d->flags & VRING_DESC_F_WRITE;
	void *base;

	if (d->len == 0)
		return 0;
	if (c->readable + c->writable == VIRTQ_SIZE_MAX || (!write && c->writable > 0))
		return -EPROTO;
	if (c->readable_len + c->writable_len + d->len > CHAIN_BYTES_MAX)
		return -EPROTO;
	base = memory_at(q->mem, d->addr, d->len);
	if (!base)
		return -EPROTO;
	c->iov[c->readable + c->writable] = (struct iovec){ base, d->len };
	if (write) {
		c->writable++;
		c->writable_len += d->len;
	} else {
		c->readable++;
		c->readable_len += d->len;
	}
	return 0;
}

/*
 * The table of its own that the local copy @d of a descriptor names, and its length in
 * *@n; NULL. The WRITE flag of @d means nothing (section 2.7.5.3.2).
 */
static const struct vring_desc *table_of(const struct virtq *q, const struct vring_desc *d,
					 unsigned *n)
{
	*n = d->len / sizeof(*d);
	/* Empty buffers take no room in a chain: without a bound they would take for ever. */
	if (!q->indirect || d->addr % 8 || d->len % sizeof(*d) || *n > VIRTQ_SIZE_MAX)
		return NULL;
	return memory_at(q->mem, d->addr, d->len);
}

/*
 * Collect the chain that begins with descriptor @i. A chain of more steps than there are
 * descriptors runs in a circle.
 */
static int walk(const struct virtq *q, unsigned i, struct virtq_chain *c)
{
	const struct vring_desc *table = q->desc_ring;
	unsigned n = q->size, left = n;
	bool in_table = false;

	for (; left > 0; left--) {
		struct vring_desc d = read_desc(&table[i]);
		int r;

		if (d.flags & VRING_DESC_F_INDIRECT) {
			/*
			 * A table ends its chain, and tables do not nest (section 2.7.5.3.1). A
			 * flag tells, for a table may lie where the ring itself lies.
			 */
			if (in_table || d.flags & VRING_DESC_F_NEXT)
				return -EPROTO;
			table = table_of(q, &d, &n);
			if (!table)
				return -EPROTO;
			in_table = true;
			i = 0;
			left = n + 1;
			continue;
		}
		r = add_buffer(q, &d, c);
		if (r < 0)
			return r;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		if (d.next >= n)
			return -EPROTO;
		i = d.next;
	}
	return -EPROTO;
}

/* Are there chains? Looks at the driver's index only when all that was seen is taken. */
static int look(struct virtq *q)
{
	uint16_t seen;

	if (q->next_avail != q->seen_avail)
		return 1;
	/*
	 * Acquire: pairs with the driver's write barrier between filling the ring and moving
	 * its index, so what the index promises is there to be read.
	 */
	seen = __atomic_load_n(&q->avail_ring->idx, __ATOMIC_ACQUIRE);
	if ((uint16_t)(seen - q->next_avail) > q->size)
		return -EPROTO;
	q->seen_avail = seen;
	return q->next_avail != seen;
}

int virtq_pop(struct virtq *q, struct virtq_chain *c)
{
	uint16_t head;
	int r;

	if (!q->desc_ring)
		return 0;
	r = look(q);
	if (r <= 0)
		return r;
	head = READ_GUEST(q->avail_ring->ring[q->next_avail % q->size]);
	if (head >= q->size || is_out(q, head))
		return -EPROTO;
	c->head = head;
	c->readable = c->writable = 0;
	c->readable_len = c->writable_len = 0;
	r = walk(q, head, c);
	if (r < 0)
		return r;
	mark(q, head, true);
	q->next_avail++;
	return 1;
}

void virtq_unpop(struct virtq *q, uint16_t head)
{
	mark(q, head, false);
	q->next_avail--;
}

void virtq_fill(struct virtq *q, unsigned i, uint16_t head, uint32_t written)
{
	struct vring_used_elem *e = &q->used_ring->ring[(uint16_t)(q->next_used + i) % q->size];

	__atomic_store_n(&e->id, head, __ATOMIC_RELAXED);
	__atomic_store_n(&e->len, written, __ATOMIC_RELAXED);
	mark(q, head, false);
}

void virtq_publish(struct virtq *q, unsigned n)
{
	q->next_used = (uint16_t)(q->next_used + n);
	/*
	 * Release: pairs with the driver's read barrier behind its look at the index, so the
	 * elements and the data are there before the index says so.
	 */
	__atomic_store_n(&q->used_ring->idx, q->next_used, __ATOMIC_RELEASE);
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
	virtq_fill(q, 0, head, written);
	virtq_publish(q, 1);
}

bool virtq_wants_interrupt(struct virtq *q)
{
	uint16_t old = q->signalled, now = q->next_used;

	if (!q->desc_ring || now == old)
		return false;
	q->signalled = now;
	/*
	 * Full barrier between our index and the driver's wish: pairs with the one that the
	 * driver has between stating its wish and its last look at our index. One of both
	 * sees the other's store, so no completion sleeps unseen.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->event_idx)
		return vring_need_event(READ_GUEST(*used_event(q)), now, old);
	return !(READ_GUEST(q->avail_ring->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

bool virtq_kicks(struct virtq *q, bool wanted)
{
	if (!q->desc_ring)
		return false;
	/* An event index that stays behind asks for nothing, so not wanting is for free. */
	if (!q->event_idx)
		__atomic_store_n(&q->used_ring->flags, wanted ? 0 : VRING_USED_F_NO_NOTIFY,
				 __ATOMIC_RELAXED);
	else if (wanted)
		__atomic_store_n(avail_event(q), q->next_avail, __ATOMIC_RELAXED);
	if (!wanted)
		return false;
	/*
	 * Full barrier between our wish and the driver's index: pairs with the one that the
	 * driver has between moving its index and looking whether to kick.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return READ_GUEST(q->avail_ring->idx) != q->next_avail;
}

/* Copy between @buf and the bytes from @skip on of @n buffers. */
static size_t copy(const struct iovec *iov, unsigned n, uint64_t skip, void *buf, size_t len,
		   bool into_guest)
{
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		uint8_t *guest = iov[i].iov_base, *host = (uint8_t *)buf + done;
		size_t part = iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		guest += skip;
		part -= skip;
		skip = 0;
		if (part > len - done)
			part = len - done;
		memcpy(into_guest ? guest : host, into_guest ? host : guest, part);
		done += part;
	}
	return done;
}

size_t virtq_read(const struct virtq_chain *c, uint64_t skip, void *buf, size_t len)
{
	return copy(c->iov, c->readable, skip, buf, len, false);
}

size_t virtq_write(const struct virtq_chain *c, uint64_t skip, const void *buf, size_t len)
{
	return copy(c->iov + c->readable, c->writable, skip, (void *)(uintptr_t)buf, len, true);
}
