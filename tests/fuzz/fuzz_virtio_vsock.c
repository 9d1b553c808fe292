/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket device between a guest that does what it likes and clients of the host that
 * come, write, read and go. The input is a list of steps, each a letter and some bytes.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "fuzz.h"
#include "vmm/virtio/vsock.h"
#include "vmm/virtio/vsock_doorman.h"
#include "vmm/virtio/vsock_mux.h"

#define MEMORY	    (1ULL << 20)
#define RING	    16
#define RINGS_AT    4096	  /* of a ring each 4096 bytes */
#define BUFFERS_AT  (64ULL << 10) /* packets to the guest */
#define PACKETS_AT  (512ULL << 10)
#define STEPS_MAX   200
#define CLIENTS_MAX 8
#define SERVICE	    77

struct input {
	const uint8_t *data;
	size_t size;
};

struct world {
	struct memory mem;
	struct loop *loop;
	struct virtio_device *dev;
	struct vsock *v;
	char path[64];
	int service, doorman, client[CLIENTS_MAX];
	unsigned clients;
	uint16_t avail[VSOCK_QUEUES];
};

static uint8_t byte(struct input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

static uint8_t *at(struct world *w, gpa_t addr)
{
	return w->mem.region[0].host + addr;
}

static void start(struct world *w)
{
	for (unsigned i = 0; i < VSOCK_QUEUES; i++) {
		gpa_t ring = RINGS_AT * (1 + i);
		struct virtq *q = &w->v->queue[i];

		memset(at(w, ring), 0, 4096);
		q->size = RING;
		q->ready = true;
		q->desc = ring;
		q->avail = ring + 1024;
		q->used = ring + 2048;
		w->avail[i] = 0;
	}
	virtio_device_start(w->dev, w->dev->offered);
}

/* A chain of one or two descriptors. */
static void offer(struct world *w, unsigned queue, gpa_t addr, uint32_t first, uint32_t second,
		  uint16_t flags)
{
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} *desc = (void *)at(w, RINGS_AT * (1 + queue));
	uint16_t *avail = (void *)at(w, RINGS_AT * (1 + queue) + 1024);
	uint16_t head = (uint16_t)(w->avail[queue] * 2 % RING);

	desc[head].addr = addr;
	desc[head].len = first;
	desc[head].flags = (uint16_t)(flags | (second ? 1 : 0));
	desc[head].next = head + 1;
	desc[head + 1].addr = addr + first;
	desc[head + 1].len = second;
	desc[head + 1].flags = flags;
	avail[2 + w->avail[queue] % RING] = head;
	avail[1] = ++w->avail[queue];
	virtio_device_kick(w->dev, queue);
}

/* Fields out of small sets, so that they meet. */
static void send_packet(struct world *w, struct input *in)
{
	static const uint32_t amounts[] = { 0, 1, 100, 4096, 65536, 262144, 1U << 31, UINT32_MAX };
	uint8_t who = byte(in), what = byte(in), how = byte(in), len = byte(in);
	struct vsock_packet p = {
		.src_cid = who & 0x40 ? 4 : 3,
		.dst_cid = who & 0x80 ? byte(in) : VSOCK_CID_HOST,
		.src_port = who & 3,
		.dst_port = who & 4 ? SERVICE : VSOCK_HOST_PORT_MIN + (who >> 3 & 3),
		.op = what & 15,
		.type = what & 0x80 ? byte(in) : VIRTIO_VSOCK_TYPE_STREAM,
		.flags = how & 3,
		.buf_alloc = amounts[how >> 2 & 7],
		.fwd_cnt = how & 0x80 ? amounts[byte(in) & 7] : 0,
		.len = len & 0x80 ? amounts[len & 7] : len * 300U,
	};
	uint32_t given = len & 0x40 ? byte(in) * 256U : p.len;

	if (given > 65536)
		given = 65536;
	vsock_packet_encode(&p, (void *)at(w, PACKETS_AT));
	offer(w, VSOCK_TX, PACKETS_AT, VSOCK_HEADER_LEN, given, 0);
}

static void hear(struct world *w, struct input *in, int how)
{
	static char buf[65536];
	unsigned i = byte(in) % CLIENTS_MAX;
	size_t n = byte(in) * 256U;

	if (i >= w->clients || w->client[i] < 0)
		return;
	switch (how) {
	case 'r':
		(void)!recv(w->client[i], buf, n, MSG_DONTWAIT);
		break;
	case 'w':
		(void)!send(w->client[i], buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 's':
		shutdown(w->client[i], n & 256 ? SHUT_WR : SHUT_RD);
		break;
	default:
		close_fd(&w->client[i]);
	}
}

static void new_client(struct world *w, struct input *in)
{
	uint8_t len = byte(in) % 40;
	int fd;

	if (w->clients == CLIENTS_MAX)
		return;
	fd = unix_connect(w->path, true, NULL);
	must(fd >= 0);
	if (len > in->size)
		len = (uint8_t)in->size;
	must(send(fd, in->data, len, MSG_DONTWAIT) == len || len == 0);
	in->data += len;
	in->size -= len;
	w->client[w->clients++] = fd;
}

static void accept_client(struct world *w)
{
	int fd;

	if (w->clients == CLIENTS_MAX)
		return;
	fd = accept4(w->service, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		w->client[w->clients++] = fd;
}

static void step(struct world *w, struct input *in)
{
	uint8_t what = byte(in);

	switch (what) {
	case 'p':
		send_packet(w, in);
		break;
	case 'b': /* a buffer, maybe in two pieces, maybe too small */
		what = byte(in);
		offer(w, VSOCK_RX, BUFFERS_AT + (w->avail[VSOCK_RX] % RING) * 8192,
		      what & 0x80 ? what & 127 : VSOCK_HEADER_LEN, (what & 127) * 40U, 2);
		break;
	case 'e':
		offer(w, VSOCK_EVENT, BUFFERS_AT, 8, 0, 2);
		break;
	case 'c':
		new_client(w, in);
		break;
	case 'a':
		accept_client(w);
		break;
	case 'm': /* anything in the rings */
		what = byte(in);
		*at(w, RINGS_AT + (what << 4) + byte(in) % 64) = byte(in);
		virtio_device_kick(w->dev, what % VSOCK_QUEUES);
		break;
	case 'x':
		virtio_device_reset(w->dev);
		start(w);
		break;
	case 'd':
		while (vsock_doorman_serve(w->doorman, w->path) > 0)
			;
		break;
	case 't':
		virtio_vsock_transport_reset(w->dev);
		break;
	default:
		hear(w, in, what);
	}
}

static unsigned check_list(const struct list *streams, uint64_t *more)
{
	unsigned n = 0;
	struct list *it;

	list_for_each(it, streams) {
		const struct vsock_stream *s = container_of(it, struct vsock_stream, link);

		must(s->waiting_len <= s->room && s->room <= VSOCK_ROOM_MAX);
		must((s->waiting != NULL) == (s->waiting_len > 0));
		must(s->waiting_len == 0 || s->fd >= 0);
		must((s->fd >= 0) == (s->src != NULL));
		must(!s->hashed || s->phase != VSOCK_GREETING);
		*more += s->room - VSOCK_ROOM_MIN;
		n++;
	}
	return n;
}

static void check(const struct world *w)
{
	const struct vsock_table *t = &w->v->table;
	uint64_t more = 0;
	unsigned n = check_list(&t->setup, &more) + check_list(&t->open, &more) +
		     check_list(&t->lingering, &more);

	must(n == t->n && more + t->pool == VSOCK_ROOM_POOL);
	must(w->v->refusals <= VSOCK_REFUSALS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_vsock_setup setup = { .cid = 3 };
	struct input in = { data, size };
	struct world w = { .clients = 0 };
	char name[80];
	int pair[2];

	must(memory_init(&w.mem, MEMORY, 1ULL << 30, 1ULL << 32, false, NULL) == 0);
	w.loop = loop_new();
	snprintf(w.path, sizeof(w.path), "@fuzz-vsock-%d", (int)getpid());
	snprintf(name, sizeof(name), "%s_%d", w.path, SERVICE);
	w.service = unix_listen(name, 16, NULL);
	setup.listener = unix_listen(w.path, 16, NULL);
	must(w.service >= 0 && setup.listener >= 0);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	setup.doorman = pair[0];
	w.doorman = pair[1];
	w.dev = virtio_vsock_new(&setup, "fuzz", w.loop, &w.mem, NULL);
	must(w.dev);
	w.v = container_of(w.dev, struct vsock, dev);
	start(&w);
	for (int i = 0; i < STEPS_MAX && in.size > 0; i++) {
		step(&w, &in);
		must(loop_step(w.loop, 0) == 0);
		check(&w);
	}
	virtio_device_free(w.dev);
	for (unsigned i = 0; i < w.clients; i++)
		close_fd(&w.client[i]);
	close(w.service);
	close(w.doorman);
	loop_free(w.loop);
	memory_done(&w.mem);
	return 0;
}
