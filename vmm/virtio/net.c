/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/net.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "vmm/virtio/net_rx.h"
#include "vmm/virtio/rate.h"
#include "vmm/virtio/tap.h"

#define QUEUE_SIZE 256
/* How long frames wait for a guest that offers some room, but not for the biggest. */
#define PATIENCE_MS 20
/* So much in one go is a stream: no kicks are asked for until nothing more comes of it. */
#define STREAM_BYTES 4096

/* Newer than some headers: section 5.1.3, and Linux 6.2. */
#define GUEST_USO4 54
#define GUEST_USO6 55
#define HOST_USO   56
#define TAP_USO4   0x20
#define TAP_USO6   0x40

enum { RX, TX, QUEUES };

/* One direction's limit, and the timer of a direction that waits for it. */
struct pace {
	struct rate rate;
	struct loop_source *timer;
};

struct net {
	struct virtio_device dev;
	struct virtq queues[QUEUES];
	struct virtio_net_config config;
	struct tap tap;
	struct loop_source *source;
	bool rx_ready; /* the tap may have frames: its edge was seen */
	struct loop_source *patience;
	bool tx_blocked; /* it took none, and its edge will come */
	struct pace pace[QUEUES];
	struct virtio_net_counters counters;
	struct net_rx rx;
	struct virtq_chain chain;
};

/*
 * What a tap can leave to the guest (@guest: agreed upon, it may come in), and what the
 * guest can leave to the host's kernel, which does all of it for whoever writes to a tap.
 */
static const struct {
	unsigned tap;
	uint8_t guest, host;
} offloads[] = {
	{ TUN_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_CSUM },
	{ TUN_F_TSO4, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_HOST_TSO4 },
	{ TUN_F_TSO6, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_HOST_TSO6 },
	{ TUN_F_TSO_ECN, VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_HOST_ECN },
	{ TUN_F_UFO, VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_HOST_UFO },
	{ TAP_USO4, GUEST_USO4, HOST_USO },
	{ TAP_USO6, GUEST_USO6, HOST_USO },
};

/* May @queue's next frame pass? If not, @cb comes when it may. */
static bool may_pass(struct net *net, unsigned queue, loop_timer_cb cb)
{
	struct pace *p = &net->pace[queue];
	int64_t wait;

	if (!rate_limited(&p->rate))
		return true;
	wait = p->timer ? 1 : rate_wait(&p->rate, loop_now_ms());
	if (wait > 0 && !p->timer)
		p->timer = loop_add_timer(net->dev.loop, wait, cb, net);
	return wait == 0;
}

/* From the tap to the guest. */

/* The tap device was deleted, or the program behind the socket ended. */
static void lose_link(struct net *net)
{
	__le16 status = 0;

	loop_remove(&net->source);
	log_warn("net %s: its tap has gone", net->dev.id);
	virtio_set_config(&net->dev, offsetof(struct virtio_net_config, status), &status,
			  sizeof(status));
}

static void receive(struct net *net);

static void receive_again(void *arg)
{
	struct net *net = arg;

	net->pace[RX].timer = NULL;
	receive(net);
}

static void take_less(void *arg)
{
	struct net *net = arg;

	net->patience = NULL;
	net_rx_settle(&net->rx);
	receive(net);
}

/* The guest has been asked for more room. */
static void wait_for_room(struct net *net)
{
	if (net->rx.chains > 0 && !net->patience)
		net->patience = loop_add_timer(net->dev.loop, PATIENCE_MS, take_less, net);
}

/* One frame. False when there is nothing more to do for now. */
static bool receive_one(struct net *net)
{
	size_t len;

	switch (net_rx_frame(&net->rx, &len)) {
	case NET_RX_FRAME:
		loop_remove(&net->patience);
		net->counters.rx_frames++;
		net->counters.rx_bytes += len;
		rate_take(&net->pace[RX].rate, 1, len);
		return true;
	case NET_RX_DROPPED:
		net->counters.rx_dropped++;
		return true;
	case NET_RX_STARVED:
		if (virtq_kicks(&net->queues[RX], true))
			return true;
		wait_for_room(net);
		return false;
	case NET_RX_NONE:
		net->rx_ready = false;
		return false;
	case NET_RX_GONE:
		net->rx_ready = false;
		lose_link(net);
		return false;
	case NET_RX_BROKEN:
		virtio_break(&net->dev, "receiving: bad descriptors");
	}
	return false;
}

static void receive(struct net *net)
{
	struct virtq *q = &net->queues[RX];
	unsigned done = 0;

	if (!net->rx_ready || !virtio_runs(&net->dev))
		return;
	virtq_kicks(q, false);
	while (done < QUEUE_SIZE && may_pass(net, RX, receive_again) && receive_one(net))
		done++;
	virtio_notify(&net->dev, RX);
	if (done == QUEUE_SIZE)
		virtio_kick_later(&net->dev, RX);
}

/* From the guest to the tap. */

/* 0 when the frame is done with, sent or not; -EAGAIN when it has to wait. */
static int send_frame(struct net *net, const struct virtq_chain *c)
{
	ssize_t n = -1;

	errno = EMSGSIZE;
	if (c->readable_len >= NET_HEADER + ETH_HLEN && c->readable_len <= NET_FRAME_MAX)
		do {
			n = writev(net->tap.fd, c->iov, (int)c->readable);
		} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n < 0) {
		net->counters.tx_dropped++;
		return 0;
	}
	net->counters.tx_frames++;
	net->counters.tx_bytes += c->readable_len - NET_HEADER;
	rate_take(&net->pace[TX].rate, 1, c->readable_len - NET_HEADER);
	return 0;
}

static void transmit(struct net *net);

static void transmit_again(void *arg)
{
	struct net *net = arg;

	net->pace[TX].timer = NULL;
	transmit(net);
}

static void transmit(struct net *net)
{
	struct virtq *q = &net->queues[TX];
	uint64_t before = net->counters.tx_bytes;
	unsigned done = 0;
	bool waits = false;
	int r = 0;

	if (!virtio_runs(&net->dev))
		return;
	net->tx_blocked = false;
	virtq_kicks(q, false);
	for (; done < q->size && !waits; done++) {
		waits = !may_pass(net, TX, transmit_again);
		r = waits ? 0 : virtq_pop(q, &net->chain);
		if (r <= 0)
			break;
		if (send_frame(net, &net->chain) == 0) {
			virtq_push(q, net->chain.head, 0);
		} else {
			virtq_unpop(q, net->chain.head);
			waits = net->tx_blocked = true;
		}
	}
	virtio_notify(&net->dev, TX);
	if (r < 0) {
		virtio_break(&net->dev, "sending: bad descriptors");
	} else if (!waits && net->counters.tx_bytes - before >= STREAM_BYTES) {
		/* More is to come; where that takes this processor, it is fetched, not waited for. */
		sched_yield();
		virtio_kick_later(&net->dev, TX);
	} else if (!waits && virtq_kicks(q, true)) {
		virtio_kick_later(&net->dev, TX);
	}
}

/* By its edges: what they say is remembered, and costs no call to arm and disarm. */
static void on_tap(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct net *net = arg;

	(void)src;
	(void)fd;
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		net->rx_ready = true;
		receive(net);
	}
	if (events & EPOLLOUT && net->tx_blocked)
		transmit(net);
}

/* The device. */

static int net_start(struct virtio_device *dev)
{
	struct net *net = container_of(dev, struct net, dev);
	size_t frame_max = NET_FRAME_MAX;
	unsigned taken = 0;

	for (size_t i = 0; i < ARRAY_SIZE(offloads); i++)
		if (virtio_has(dev, offloads[i].guest))
			taken |= offloads[i].tap & net->tap.offloads;
	if (!(taken & TUN_F_CSUM)) /* all others build on it */
		taken = 0;
	if (!(taken & ~(unsigned)TUN_F_CSUM) && net->config.mtu > 0)
		frame_max = NET_HEADER + ETH_HLEN + 4 + net->config.mtu; /* 4: of a VLAN */
	net_rx_start(&net->rx, &net->queues[RX], net->tap.fd, frame_max,
		     virtio_has(dev, VIRTIO_NET_F_MRG_RXBUF));
	net->rx_ready = net->source != NULL;
	net->tx_blocked = false;
	return net->source ? tap_set_offloads(&net->tap, taken) : 0;
}

static void net_kick(struct virtio_device *dev, unsigned queue)
{
	struct net *net = container_of(dev, struct net, dev);

	if (queue == RX)
		receive(net);
	else
		transmit(net);
}

static void net_reset(struct virtio_device *dev)
{
	struct net *net = container_of(dev, struct net, dev);

	for (unsigned i = 0; i < QUEUES; i++)
		loop_remove(&net->pace[i].timer);
	loop_remove(&net->patience);
}

static void net_stats(struct virtio_device *dev, struct str *out)
{
	const struct virtio_net_counters *c = virtio_net_counters(dev);

	str_printf(out,
		   " %s.rx=%" PRIu64 " %s.rx-bytes=%" PRIu64 " %s.rx-dropped=%" PRIu64
		   " %s.tx=%" PRIu64 " %s.tx-bytes=%" PRIu64 " %s.tx-dropped=%" PRIu64,
		   dev->id, c->rx_frames, dev->id, c->rx_bytes, dev->id, c->rx_dropped, dev->id,
		   c->tx_frames, dev->id, c->tx_bytes, dev->id, c->tx_dropped);
}

static void net_free(struct virtio_device *dev)
{
	struct net *net = container_of(dev, struct net, dev);

	loop_remove(&net->source);
	close_fd(&net->tap.fd);
	free(net);
}

static const struct virtio_ops net_ops = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.start = net_start,
	.kick = net_kick,
	.reset = net_reset,
	.stats = net_stats,
	.free = net_free,
};

static void offer(struct net *net, const struct virtio_net_setup *setup)
{
	struct virtio_device *dev = &net->dev;

	dev->config = &net->config;
	dev->config_len = offsetof(struct virtio_net_config, speed);
	dev->offered |= 1ULL << VIRTIO_NET_F_MRG_RXBUF | 1ULL << VIRTIO_NET_F_STATUS;
	net->config.status = VIRTIO_NET_S_LINK_UP;
	net->config.max_virtqueue_pairs = 1;
	if (setup->has_mac) {
		memcpy(net->config.mac, setup->mac, sizeof(setup->mac));
		dev->offered |= 1ULL << VIRTIO_NET_F_MAC;
	}
	if (setup->mtu > 0) {
		net->config.mtu = setup->mtu;
		dev->offered |= 1ULL << VIRTIO_NET_F_MTU;
	}
	for (size_t i = 0; i < ARRAY_SIZE(offloads); i++)
		if (net->tap.offloads & offloads[i].tap)
			dev->offered |= 1ULL << offloads[i].guest | 1ULL << offloads[i].host;
}

struct virtio_device *virtio_net_new(const struct virtio_net_setup *setup, const char *id,
				     struct loop *loop, const struct memory *mem, struct err *err)
{
	const struct rate_limits limits[] = {
		[RX] = { .bytes = setup->rx_bps }, [TX] = { .bytes = setup->tx_bps }
	};
	struct net *net = xcalloc(1, sizeof(*net));
	int r = tap_init(&net->tap, setup->tap, err);

	virtio_device_init(&net->dev, &net_ops, id, loop, mem, net->queues, QUEUES, QUEUE_SIZE);
	for (unsigned i = 0; i < QUEUES; i++)
		rate_init(&net->pace[i].rate, &limits[i], loop_now_ms());
	offer(net, setup);
	if (r == 0) {
		net->source =
			loop_add_fd(loop, net->tap.fd, EPOLLIN | EPOLLOUT | EPOLLET, on_tap, net);
		if (!net->source)
			r = err_sys(err, errno, "cannot watch the tap");
	}
	if (r < 0) {
		err_wrap(err, "net %s", id);
		virtio_device_free(&net->dev);
		return NULL;
	}
	return &net->dev;
}

const struct virtio_net_counters *virtio_net_counters(const struct virtio_device *dev)
{
	return &container_of(dev, struct net, dev)->counters;
}
