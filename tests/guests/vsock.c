/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim: the guest calls the host's port 7, whose program sends back what it gets, and all
 * comes back in order; port 9, where nobody is, is refused. Credit is kept by both sides.
 */
#include "virtio.h"

#define CID_HOST 2
#define CID_ME	 42
#define MY_PORT	 5000
#define BYTES	 300000U
#define PIECE	 4096U
#define ROOM	 32768U /* for what the host sends */
#define BUFFERS	 8

enum { RX, TX };
enum { REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW, CREDIT, CREDIT_ASKED };

struct __attribute__((packed)) header { /* virtio 1.2, section 5.10.6 */
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
};

struct packet {
	struct header h;
	uint8_t data[PIECE];
};

static struct packet *out, *in[BUFFERS];
static uint32_t sent, received, host_room, host_took;

static void send(struct device *d, uint16_t op, uint32_t port, uint32_t len, uint32_t flags)
{
	out->h = (struct header){
		CID_ME, CID_HOST, MY_PORT, port, len, 1, op, flags, ROOM, received
	};
	d->queue[TX].desc[0] = (struct desc){ (uintptr_t)out, sizeof(out->h) + len, 0, 0 };
	queue_do(d, TX, 0);
}

static uint8_t byte(uint32_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) + (i >> 16));
}

/* The next packet is looked at, and its buffer given back: what it was. */
static uint16_t receive(struct device *d, uint32_t port)
{
	uint32_t n = queue_get(d, RX);
	uint16_t head = d->queue[RX].head;
	const struct packet *p = in[head];
	uint16_t op = p->h.op;

	must(n == sizeof(p->h) + p->h.len && p->h.len <= PIECE);
	must(p->h.src_cid == CID_HOST && p->h.dst_cid == CID_ME && p->h.type == 1);
	must(p->h.src_port == port && p->h.dst_port == MY_PORT);
	host_room = p->h.buf_alloc;
	host_took = p->h.fwd_cnt;
	must(op == RW || p->h.len == 0);
	for (uint32_t i = 0; i < p->h.len; i++)
		must(p->data[i] == byte(received + i));
	received += p->h.len;
	queue_offer(d, RX, head);
	if (op == CREDIT_ASKED)
		send(d, CREDIT, port, 0, 0);
	return op;
}

static void send_some(struct device *d, uint32_t port)
{
	uint32_t len = BYTES - sent, room = host_room - (sent - host_took);

	if (len > PIECE)
		len = PIECE;
	if (len > room)
		len = room;
	if (len == 0)
		return;
	for (uint32_t i = 0; i < len; i++)
		out->data[i] = byte(sent + i);
	send(d, RW, port, len, 0);
	sent += len;
}

void guest_main(void)
{
	struct device d;

	out = take(sizeof(*out), 16);
	must(device_find(&d, ID_VSOCK, 0));
	must(read32(&d, REG_CONFIG) == CID_ME && read32(&d, REG_CONFIG + 4) == 0);
	device_start(&d, 0);
	for (uint16_t i = 0; i < BUFFERS; i++) {
		in[i] = take(sizeof(*in[i]), 16);
		queue_put(&d, RX, i, in[i], sizeof(*in[i]), D_WRITE);
	}
	send(&d, REQUEST, 9, 0, 0);
	must(receive(&d, 9) == RST);
	ok("vsock: a port without a program is refused");
	send(&d, REQUEST, 7, 0, 0);
	must(receive(&d, 7) == RESPONSE);
	while (received < BYTES) {
		uint32_t before = sent;
		uint16_t op;

		send_some(&d, 7);
		if (sent != before && sent < BYTES)
			continue; /* while there is credit */
		op = receive(&d, 7);
		must(op == RW || op == CREDIT || op == CREDIT_ASKED);
		send(&d, CREDIT, 7, 0, 0);
	}
	must(received == BYTES && sent == BYTES);
	send(&d, SHUTDOWN, 7, 0, 3);
	while (receive(&d, 7) != RST)
		;
	ok("vsock: all that a program of the host sends back comes back");
}
