/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a vsock packet (virtio 1.2, section 5.10.6) and where the packet's bytes
 * lie in a chain: the header first, the payload behind it, each in as many pieces as the
 * guest likes.
 */
#ifndef VMM_VIRTIO_VSOCK_PACKET_H
#define VMM_VIRTIO_VSOCK_PACKET_H

#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/virtio/queue.h"

#define VSOCK_CID_HOST	 2
#define VSOCK_HEADER_LEN sizeof(struct virtio_vsock_hdr)

/* The header in the host's byte order. */
struct vsock_packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len; /* of the payload */
	uint16_t type, op;
	uint32_t flags;
	uint32_t buf_alloc, fwd_cnt;
};

/* Read the header of a chain from the guest. False when the chain is too short for one. */
bool vsock_packet_read(const struct virtq_chain *c, struct vsock_packet *p);

void vsock_packet_encode(const struct vsock_packet *p, struct virtio_vsock_hdr *hdr);

/*
 * The @len bytes from @skip on of the buffers @in, into at most @max entries of @out.
 * Returns how many entries; *@got is how many bytes they hold, less than @len when the
 * buffers or @out end before.
 */
unsigned vsock_slice(const struct iovec *in, unsigned n, size_t skip, size_t len, struct iovec *out,
		     unsigned max, size_t *got);

#endif
