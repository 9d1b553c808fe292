/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vsock_mux.h"

#include <errno.h>

#include "base/cleanup.h"
#include "vmm/virtio/vsock_host.h"
#include "vmm/virtio/vsock_rx.h"

/* In one go; then others on the loop have their turn. */
#define PACKETS_AT_ONCE 256

static bool running(const struct vsock *v)
{
	return v->dev.started && !v->dev.broken && !v->dev.paused;
}

void vsock_mux_settle(struct vsock *v, struct vsock_stream *s)
{
	if (s->phase == VSOCK_OPEN && s->guest_ended == VSOCK_END_BOTH) {
		s->phase = VSOCK_OVER;
		s->owes_reset = true; /* a clean end is confirmed by it, section 5.10.6.5 */
	}
	if (s->phase == VSOCK_OPEN && s->host_told == VSOCK_END_BOTH && s->fd >= 0) {
		vsock_stream_close(s);
		vsock_table_linger(&v->table, s);
	}
	if (s->phase == VSOCK_OVER && !s->owes_reset) {
		vsock_table_unhash(&v->table, s);
		if (s->waiting_len == 0) {
			vsock_table_drop(&v->table, s);
			return;
		}
		/* The guest may close at once what it has written: the host still gets it. */
		vsock_table_linger(&v->table, s);
	}
	if (!vsock_stream_due(s))
		list_del(&s->ready);
	else if (list_empty(&s->ready)) /* otherwise it keeps its place in the line */
		list_add_tail(&v->ready, &s->ready);
}

/* The guest broke the rules of this stream, or there is no going on: it ends, at once. */
static void reset(struct vsock *v, struct vsock_stream *s)
{
	vsock_stream_close(s);
	s->phase = VSOCK_OVER;
	s->owes_reset = true;
	s->owes_request = false;
	vsock_table_linger(&v->table, s); /* until its RST is taken */
	vsock_mux_settle(v, s);
}

void vsock_mux_abandon(struct vsock *v, struct vsock_stream *s)
{
	if (s->hashed && !s->owes_request)
		reset(v, s); /* the guest knows of it */
	else
		vsock_table_drop(&v->table, s);
}

static void forget_list(struct vsock *v, struct list *streams)
{
	struct list *it, *next;

	list_for_each_safe(it, next, streams) {
		struct vsock_stream *s = container_of(it, struct vsock_stream, link);

		if (s->phase != VSOCK_GREETING && !s->owes_request)
			vsock_table_drop(&v->table, s);
	}
}

void vsock_mux_forget(struct vsock *v)
{
	forget_list(v, &v->table.setup);
	forget_list(v, &v->table.open);
	forget_list(v, &v->table.lingering);
	v->refusals = 0;
}

/* Answer @p, which belongs to no stream, as if by the one whom it was meant for. */
static void refuse(struct vsock *v, const struct vsock_packet *p)
{
	if (p->op == VIRTIO_VSOCK_OP_RST)
		return;
	v->refusal[(v->refusal_at + v->refusals++) % VSOCK_REFUSALS] = (struct vsock_packet){
		.src_cid = p->dst_cid,
		.src_port = p->dst_port,
		.dst_port = p->src_port,
		.type = p->type,
		.op = VIRTIO_VSOCK_OP_RST,
	};
}

static void response(struct vsock *v, struct vsock_stream *s)
{
	if (s->phase != VSOCK_ASKING || !vsock_host_accepted(s)) {
		reset(v, s);
		return;
	}
	s->phase = VSOCK_OPEN;
	vsock_table_opened(&v->table, s);
	vsock_mux_settle(v, s);
}

/* A packet of an open stream. -EPROTO when it must not be; then the stream ends. */
static int handle(struct vsock_stream *s, const struct vsock_packet *p, const struct virtq_chain *c)
{
	struct iovec data[VIRTQ_SIZE_MAX];
	size_t got;
	unsigned n;

	switch (p->op) {
	case VIRTIO_VSOCK_OP_RW:
		n = vsock_slice(c->iov, c->readable, VSOCK_HEADER_LEN, p->len, data, VIRTQ_SIZE_MAX,
				&got);
		return got == p->len ? vsock_stream_deliver(s, data, n, p->len) : -EPROTO;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		vsock_stream_shutdown(s, p->flags);
		return 0;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		return 0;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		s->owes_credit = true;
		return 0;
	default:
		return -EPROTO;
	}
}

static void receive_known(struct vsock *v, struct vsock_stream *s, const struct vsock_packet *p,
			  const struct virtq_chain *c)
{
	if (s->phase == VSOCK_OVER) { /* its RST is on the way */
		s->owes_reset = p->op != VIRTIO_VSOCK_OP_RST;
		vsock_mux_settle(v, s);
		return;
	}
	vsock_stream_credited(s, p);
	switch (p->op) {
	case VIRTIO_VSOCK_OP_RST:
		s->phase = VSOCK_OVER;
		s->owes_request = false;
		vsock_mux_settle(v, s);
		return;
	case VIRTIO_VSOCK_OP_RESPONSE:
		response(v, s);
		return;
	}
	if (s->phase != VSOCK_OPEN || handle(s, p, c) < 0)
		reset(v, s);
	else
		vsock_mux_settle(v, s);
}

/*
 * One chain from the guest. Without a whole header, or in the name of somebody else,
 * there is nobody to answer.
 */
static void receive(struct vsock *v, const struct virtq_chain *c)
{
	struct vsock_stream *s;
	struct vsock_packet p;

	if (!vsock_packet_read(c, &p) || p.src_cid != v->cid)
		return;
	if (p.dst_cid != VSOCK_CID_HOST || p.type != VIRTIO_VSOCK_TYPE_STREAM) {
		refuse(v, &p);
		return;
	}
	s = vsock_table_find(&v->table, p.dst_port, p.src_port);
	/* The host's side is gone and the guest begins anew: it has forgotten the old one. */
	if (s && p.op == VIRTIO_VSOCK_OP_REQUEST && s->fd < 0 && s->phase == VSOCK_OPEN) {
		vsock_table_drop(&v->table, s);
		s = NULL;
	}
	if (s) {
		receive_known(v, s, &p, c);
		return;
	}
	if (p.op == VIRTIO_VSOCK_OP_REQUEST)
		s = vsock_host_call(v, p.dst_port, p.src_port);
	if (s)
		vsock_stream_credited(s, &p);
	else
		refuse(v, &p);
}

/* Take what the guest sent. 1: there may be more, though not for now; 0; -errno. */
static int take(struct vsock *v)
{
	struct virtq *tx = &v->queue[VSOCK_TX];
	struct virtq_chain c;
	int r;

	for (unsigned n = 0; n < PACKETS_AT_ONCE; n++) {
		if (v->refusals == VSOCK_REFUSALS)
			return 0; /* until the guest gives buffers for them */
		r = virtq_pop(tx, &c);
		if (r == 0 && virtq_kicks(tx, true))
			continue;
		if (r <= 0)
			return r;
		receive(v, &c);
		virtq_push(tx, c.head, 0);
	}
	return 1;
}

/* Send what is due. 1: there is more, and not for want of buffers; 0; -errno. */
static int give(struct vsock *v)
{
	struct virtq *rx = &v->queue[VSOCK_RX];
	int r;

	for (unsigned n = 0; n<PACKETS_AT_ONCE; n += r> 0 ? (unsigned)r : 1) {
		if (v->refusals > 0) {
			r = vsock_rx_packet(rx, v->cid, &v->refusal[v->refusal_at]);
			if (r > 0) {
				v->refusal_at = (v->refusal_at + 1) % VSOCK_REFUSALS;
				v->refusals--;
			}
		} else if (!list_empty(&v->ready)) {
			struct vsock_stream *s =
				container_of(v->ready.next, struct vsock_stream, ready);

			r = vsock_rx_stream(rx, v->cid, s);
			if (r > 0) {
				list_del(&s->ready);
				vsock_mux_settle(v, s);
			}
		} else {
			return 0;
		}
		if (r == 0 && virtq_kicks(rx, true))
			continue;
		if (r <= 0)
			return r;
	}
	return 1;
}

void vsock_mux_run(struct vsock *v)
{
	bool full;
	int taken, given;

	if (!running(v))
		return;
	taken = take(v);
	full = v->refusals == VSOCK_REFUSALS;
	given = taken < 0 ? 0 : give(v);
	if (taken < 0 || given < 0) {
		virtio_break(&v->dev,
			     taken < 0 ? "a bad queue from the guest" : "a bad queue to the guest");
		vsock_mux_forget(v); /* nobody shall wait for what cannot come */
		return;
	}
	virtio_notify(&v->dev, VSOCK_TX);
	virtio_notify(&v->dev, VSOCK_RX);
	if (taken > 0 || given > 0 || (full && v->refusals < VSOCK_REFUSALS))
		virtio_kick_later(&v->dev, VSOCK_TX);
}
