/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets into the guest's buffers. Data goes from the socket straight into as many of
 * them as one burst fills, with one system call.
 */
#ifndef VMM_VIRTIO_VSOCK_RX_H
#define VMM_VIRTIO_VSOCK_RX_H

#include <stdint.h>

#include "vmm/virtio/vsock_stream.h"

/* A packet without data for the guest @cid. 1; 0: no buffer; -EPROTO. */
int vsock_rx_packet(struct virtq *rx, uint64_t cid, const struct vsock_packet *p);

/*
 * What is due of @s: the number of packets, at least 1 also when it turned out that
 * nothing was due; 0: no buffer; -EPROTO.
 */
int vsock_rx_stream(struct virtq *rx, uint64_t cid, struct vsock_stream *s);

#endif
