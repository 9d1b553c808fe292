/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vsock_packet.h"

#include <endian.h>

bool vsock_packet_read(const struct virtq_chain *c, struct vsock_packet *p)
{
	struct virtio_vsock_hdr hdr;

	if (virtq_read(c, 0, &hdr, sizeof(hdr)) != sizeof(hdr))
		return false;
	*p = (struct vsock_packet){
		.src_cid = le64toh(hdr.src_cid),
		.dst_cid = le64toh(hdr.dst_cid),
		.src_port = le32toh(hdr.src_port),
		.dst_port = le32toh(hdr.dst_port),
		.len = le32toh(hdr.len),
		.type = le16toh(hdr.type),
		.op = le16toh(hdr.op),
		.flags = le32toh(hdr.flags),
		.buf_alloc = le32toh(hdr.buf_alloc),
		.fwd_cnt = le32toh(hdr.fwd_cnt),
	};
	return true;
}

void vsock_packet_encode(const struct vsock_packet *p, struct virtio_vsock_hdr *hdr)
{
	*hdr = (struct virtio_vsock_hdr){
		.src_cid = htole64(p->src_cid),
		.dst_cid = htole64(p->dst_cid),
		.src_port = htole32(p->src_port),
		.dst_port = htole32(p->dst_port),
		.len = htole32(p->len),
		.type = htole16(p->type),
		.op = htole16(p->op),
		.flags = htole32(p->flags),
		.buf_alloc = htole32(p->buf_alloc),
		.fwd_cnt = htole32(p->fwd_cnt),
	};
}

unsigned vsock_slice(const struct iovec *in, unsigned n, size_t skip, size_t len, struct iovec *out,
		     unsigned max, size_t *got)
{
	unsigned used = 0;

	*got = 0;
	for (unsigned i = 0; i < n && used < max && *got < len; i++) {
		size_t part = in[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part -= skip;
		if (part > len - *got)
			part = len - *got;
		out[used++] = (struct iovec){ (uint8_t *)in[i].iov_base + skip, part };
		*got += part;
		skip = 0;
	}
	return used;
}
