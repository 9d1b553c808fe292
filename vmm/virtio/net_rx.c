/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/net_rx.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>

/* Where bytes go that no room was offered for; never read. */
static uint8_t overflow[NET_FRAME_MAX];

void net_rx_start(struct net_rx *rx, struct virtq *q, int fd, size_t frame_max, bool merge)
{
	rx->q = q;
	rx->fd = fd;
	rx->frame_max = frame_max;
	rx->settled = false;
	rx->merge = merge;
	rx->chains = rx->buffers = 0;
	rx->room = 0;
}

static void hold(struct net_rx *rx, const struct virtq_chain *c)
{
	rx->chain[rx->chains++] = (struct net_rx_chain){ .head = c->head,
							 .buffers = (uint16_t)c->writable,
							 .len = c->writable_len };
	memcpy(rx->iov + rx->buffers, c->iov + c->readable, c->writable * sizeof(struct iovec));
	rx->buffers += c->writable;
	rx->room += c->writable_len;
}

/*
 * Hold room for the biggest frame: 1 when there is, or all that can be held is; 0 when the
 * guest offers no more; -EPROTO.
 */
static int gather(struct net_rx *rx)
{
	while (rx->room < rx->frame_max && rx->chains < (rx->merge ? NET_RX_HELD : 1) &&
	       rx->buffers + VIRTQ_SIZE_MAX <= NET_RX_IOV) {
		int r = virtq_pop(rx->q, &rx->next);

		if (r <= 0)
			return r;
		/* A chain that cannot hold what says how many there are is no room. */
		if (rx->next.writable_len < NET_HEADER)
			return -EPROTO;
		hold(rx, &rx->next);
	}
	rx->settled = false;
	return 1;
}

void net_rx_settle(struct net_rx *rx)
{
	rx->settled = true;
}

/* The driver looks for the number of chains behind the header that the tap knows. */
static void put_count(const struct net_rx *rx, uint16_t n)
{
	size_t skip = offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers);
	const uint8_t bytes[] = { n & 0xff, n >> 8 };
	size_t done = 0;

	for (const struct iovec *v = rx->iov; done < sizeof(bytes); v++) {
		for (; skip < v->iov_len && done < sizeof(bytes); skip++)
			((uint8_t *)v->iov_base)[skip] = bytes[done++];
		skip -= v->iov_len; /* below 0 only when all is done */
	}
}

/* Hand the chains that @len bytes fill to the driver, and hold the rest. */
static void deliver(struct net_rx *rx, size_t len)
{
	unsigned n = 0, buffers = 0;
	size_t left = len;

	do {
		const struct net_rx_chain *c = &rx->chain[n];
		size_t part = left < c->len ? left : c->len;

		virtq_fill(rx->q, n++, c->head, (uint32_t)part);
		buffers += c->buffers;
		rx->room -= c->len;
		left -= part;
	} while (left > 0);
	put_count(rx, (uint16_t)n);
	virtq_publish(rx->q, n);
	rx->chains -= n;
	rx->buffers -= buffers;
	memmove(rx->chain, rx->chain + n, rx->chains * sizeof(*rx->chain));
	memmove(rx->iov, rx->iov + buffers, rx->buffers * sizeof(*rx->iov));
}

enum net_rx_result net_rx_frame(struct net_rx *rx, size_t *len)
{
	int r = gather(rx);
	ssize_t n;

	if (r < 0)
		return NET_RX_BROKEN;
	if (r == 0 && (rx->chains == 0 || !rx->settled))
		return NET_RX_STARVED;
	/* A tap does not tell that it cut a frame, so what would be cut goes elsewhere. */
	rx->iov[rx->buffers] = (struct iovec){ overflow, sizeof(overflow) };
	do {
		n = readv(rx->fd, rx->iov, (int)rx->buffers + 1);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EIO ? NET_RX_NONE : NET_RX_GONE;
	if (n == 0)
		return NET_RX_GONE;
	*len = n > NET_HEADER ? (size_t)n - NET_HEADER : 0;
	if (*len == 0 || (uint64_t)n > rx->room)
		return NET_RX_DROPPED;
	deliver(rx, (size_t)n);
	return NET_RX_FRAME;
}
