/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vsock_rx.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define BURST_CHAINS 16
#define BURST_PIECES 64 /* of headers, and of data */

_Static_assert(BURST_PIECES >= VSOCK_HEADER_LEN, "the most scattered header fits");

/*
 * Chains taken from the queue together, in order. Of a chain in more pieces than there is
 * room for, the first ones are used.
 */
struct burst {
	unsigned n, headers, pieces;
	uint32_t len; /* of the data of all */
	struct slot {
		uint16_t head;
		unsigned header, header_pieces;
		uint32_t len;
	} slot[BURST_CHAINS];
	struct iovec header[BURST_PIECES], data[BURST_PIECES];
};

static int put(struct virtq *rx, const struct virtq_chain *c, uint64_t cid,
	       const struct vsock_packet *p)
{
	struct virtio_vsock_hdr hdr;

	vsock_packet_encode(p, &hdr);
	hdr.dst_cid = htole64(cid);
	if (virtq_write(c, 0, &hdr, sizeof(hdr)) != sizeof(hdr))
		return -EPROTO;
	virtq_push(rx, c->head, sizeof(hdr));
	return 1;
}

int vsock_rx_packet(struct virtq *rx, uint64_t cid, const struct vsock_packet *p)
{
	struct virtq_chain c;
	int r = virtq_pop(rx, &c);

	return r > 0 ? put(rx, &c, cid, p) : r;
}

/* Split @c into header and data. False when it does not fit any more, or is too small. */
static bool add_chain(struct burst *b, const struct virtq_chain *c, uint32_t want)
{
	const struct iovec *in = c->iov + c->readable;
	struct slot *slot = &b->slot[b->n];
	size_t got;

	*slot = (struct slot){ .head = c->head, .header = b->headers };
	slot->header_pieces = vsock_slice(in, c->writable, 0, VSOCK_HEADER_LEN,
					  b->header + b->headers, BURST_PIECES - b->headers, &got);
	if (got < VSOCK_HEADER_LEN)
		return false;
	b->pieces += vsock_slice(in, c->writable, VSOCK_HEADER_LEN, want, b->data + b->pieces,
				 BURST_PIECES - b->pieces, &got);
	if (got == 0)
		return false;
	b->headers += slot->header_pieces;
	slot->len = (uint32_t)got;
	b->len += slot->len;
	b->n++;
	return true;
}

/* Take chains for @want bytes, or as many as there are: 0 or -EPROTO. */
static int gather(struct virtq *rx, struct burst *b, uint32_t want)
{
	struct virtq_chain c;

	b->n = b->headers = b->pieces = b->len = 0;
	while (b->n < BURST_CHAINS && b->len < want) {
		int r = virtq_pop(rx, &c);

		if (r <= 0)
			return r;
		if (add_chain(b, &c, want - b->len))
			continue;
		if (b->n == 0)
			return -EPROTO; /* a buffer that takes no data */
		virtq_unpop(rx, c.head);
		break;
	}
	return 0;
}

static void write_header(const struct burst *b, const struct slot *slot,
			 const struct virtio_vsock_hdr *hdr)
{
	const uint8_t *from = (const uint8_t *)hdr;

	for (unsigned i = 0; i < slot->header_pieces; i++) {
		const struct iovec *to = &b->header[slot->header + i];

		memcpy(to->iov_base, from, to->iov_len);
		from += to->iov_len;
	}
}

static int send_data(struct virtq *rx, uint64_t cid, struct vsock_stream *s)
{
	uint32_t want = vsock_stream_credit(s), left;
	struct virtio_vsock_hdr hdr;
	struct vsock_packet p;
	struct burst b;
	unsigned used = 0;
	int r;

	if (want > s->burst)
		want = s->burst;
	r = gather(rx, &b, want);
	if (r < 0 || b.n == 0)
		return r;
	left = vsock_stream_fill(s, b.data, b.pieces, b.len);
	for (; left > 0; used++) {
		const struct slot *slot = &b.slot[used];
		uint32_t len = slot->len < left ? slot->len : left;

		vsock_stream_compose(s, VIRTIO_VSOCK_OP_RW, &p);
		p.dst_cid = cid;
		p.len = len;
		vsock_packet_encode(&p, &hdr);
		write_header(&b, slot, &hdr);
		virtq_push(rx, slot->head, (uint32_t)VSOCK_HEADER_LEN + len);
		left -= len;
	}
	for (unsigned i = b.n; i > used; i--)
		virtq_unpop(rx, b.slot[i - 1].head);
	return used > 0 ? (int)used : 1;
}

int vsock_rx_stream(struct virtq *rx, uint64_t cid, struct vsock_stream *s)
{
	uint16_t op = vsock_stream_due(s);
	struct vsock_packet p;
	struct virtq_chain c;
	int r;

	if (!op)
		return 1;
	if (op == VIRTIO_VSOCK_OP_RW)
		return send_data(rx, cid, s);
	r = virtq_pop(rx, &c);
	if (r <= 0)
		return r;
	vsock_stream_compose(s, op, &p);
	return put(rx, &c, cid, &p);
}
