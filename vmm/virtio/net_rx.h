/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from the tap into the guest. How big a frame is turns out when it is read, so
 * buffers for the biggest are taken from the queue beforehand, and what one frame leaves
 * is held for the next. While there is less room than that and the guest may bring more,
 * frames wait in the tap: one that was read and does not fit would be lost, and streams
 * stumble over each.
 */
#ifndef VMM_VIRTIO_NET_RX_H
#define VMM_VIRTIO_NET_RX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/virtio/queue.h"

#define NET_FRAME_MAX 65562 /* section 5.1.6.3.1: with its header, when segments are merged */
#define NET_HEADER    12    /* struct virtio_net_hdr_mrg_rxbuf */

/* Chains that are held; one has up to VIRTQ_SIZE_MAX buffers. */
#define NET_RX_HELD 64
#define NET_RX_IOV  (2 * VIRTQ_SIZE_MAX)

struct net_rx_chain {
	uint16_t head;
	uint16_t buffers;
	uint64_t len;
};

struct net_rx {
	struct virtq *q;
	int fd;
	size_t frame_max; /* of one frame, with its header */
	bool settled;	  /* with less room than that, for the guest brings no more */
	bool merge;	  /* a frame may span chains */

	unsigned chains, buffers; /* held */
	uint64_t room;		  /* in them */
	struct net_rx_chain chain[NET_RX_HELD];
	struct iovec iov[NET_RX_IOV + 1]; /* one more for what does not fit */
	struct virtq_chain next;
};

enum net_rx_result {
	NET_RX_FRAME,	/* one is in the guest's memory and in the used ring */
	NET_RX_DROPPED, /* one did not fit into what the guest offers */
	NET_RX_NONE,	/* none is there */
	NET_RX_STARVED, /* the guest offers no room, or too little for the biggest */
	NET_RX_GONE,	/* nor will there ever be one */
	NET_RX_BROKEN,	/* the guest's ring is */
};

void net_rx_start(struct net_rx *rx, struct virtq *q, int fd, size_t frame_max, bool merge);

/* Take one frame; *@len is its length without the header. */
enum net_rx_result net_rx_frame(struct net_rx *rx, size_t *len);

/*
 * The guest had its time to offer more: whatever is held is enough from now on, until there
 * is room for the biggest again.
 */
void net_rx_settle(struct net_rx *rx);

#endif
