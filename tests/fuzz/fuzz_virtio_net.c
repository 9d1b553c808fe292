/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network, the console and the balloon, whose guest writes what it likes into its
 * rings. The first byte says which device, the next ones which features; then come steps:
 * a byte for what and, for memory, a place and bytes for it.
 *
 * Guest memory is filled and every ring lies in it, so whatever leaves it is seen by the
 * address sanitizer or by the guards on both sides.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "fuzz.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/net.h"

#define MEMORY	  (1ULL << 20)
#define RING	  16
#define RING_AT	  4096 /* and so for each */
#define STEPS_MAX 300

struct input {
	const uint8_t *data;
	size_t size;
};

struct world {
	struct memory mem;
	struct loop *loop;
	struct virtio_device *dev;
	int peer; /* what is at the other end of the tap or the console */
};

static uint8_t byte(struct input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

static uint16_t word(struct input *in)
{
	uint8_t low = byte(in);

	return (uint16_t)(low | byte(in) << 8);
}

static uint8_t *at(struct world *w, uint64_t addr)
{
	return w->mem.region[0].host + addr;
}

static void start(struct world *w, uint64_t features)
{
	for (unsigned i = 0; i < w->dev->n_queues; i++) {
		struct virtq *q = &w->dev->queues[i];
		uint64_t ring = RING_AT * (1ULL + i);

		q->size = RING;
		q->ready = true;
		q->desc = ring;
		q->avail = ring + 1024;
		q->used = ring + 2048;
	}
	virtio_device_start(w->dev, features & w->dev->offered);
}

/* A descriptor of a queue, near to one that is right; and the index that offers it. */
static void offer(struct world *w, struct input *in)
{
	unsigned queue = byte(in) % w->dev->n_queues;
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} *desc = (void *)at(w, RING_AT * (1 + queue));
	uint16_t *avail = (void *)at(w, RING_AT * (1 + queue) + 1024);
	uint8_t i = byte(in), flags = byte(in);

	desc += i % RING;
	desc->addr = (uint64_t)word(in) << (flags & 0x80 ? 20 : 4);
	desc->len = flags & 0x40 ? word(in) * 65537U : word(in) % 5000;
	desc->flags = flags & 7;
	desc->next = byte(in) % (RING + 1);
	if (flags & 0x20)
		return;
	avail[2 + avail[1] % RING] = i % RING;
	avail[1]++;
}

static void write_memory(struct world *w, struct input *in)
{
	uint64_t place = word(in) * (MEMORY >> 16);
	unsigned n = byte(in) % 64;

	for (unsigned i = 0; i < n && place + i < MEMORY; i++)
		*at(w, place + i) = byte(in);
}

static void host_sends(struct world *w, struct input *in)
{
	static uint8_t frame[65000];
	size_t len = word(in) % sizeof(frame);
	ssize_t n = w->peer >= 0 ? send(w->peer, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	(void)n;
}

static void drain(struct world *w)
{
	static uint8_t buf[70000];

	while (w->peer >= 0 && recv(w->peer, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static void step(struct world *w, struct input *in, uint64_t features)
{
	struct str words = STR_INIT;
	struct err err = ERR_INIT;

	switch (byte(in) % 12) {
	case 0:
		virtio_device_reset(w->dev);
		start(w, features);
		break;
	case 1:
		virtio_device_pause(w->dev);
		loop_step(w->loop, 0);
		virtio_device_resume(w->dev);
		break;
	case 2:
		host_sends(w, in);
		break;
	case 3:
		drain(w);
		break;
	case 4:
		write_memory(w, in);
		break;
	case 5:
		if (w->dev->ops->stats)
			w->dev->ops->stats(w->dev, &words);
		str_free(&words);
		break;
	case 6:
		if (w->peer < 0)
			virtio_balloon_resize(w->dev, byte(in), &err);
		break;
	case 7:
	case 8:
		virtio_device_kick(w->dev, byte(in) % w->dev->n_queues);
		break;
	default:
		offer(w, in);
	}
	loop_step(w->loop, 0);
}

static void make(struct world *w, uint8_t which)
{
	struct virtio_console_setup console = { .in = -1, .out = -1, .listener = -1 };
	struct virtio_balloon_setup balloon = { .reporting = true };
	struct virtio_net_setup net = { .mtu = which & 0x80 ? 1500 : 0 };
	struct err err = ERR_INIT;
	int type = which % 3 == 0 ? SOCK_SEQPACKET : SOCK_STREAM, pair[2];

	w->peer = -1;
	if (which % 3 == 2) {
		w->dev = virtio_balloon_new(&balloon, "f", w->loop, &w->mem, &err);
		return;
	}
	must(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	w->peer = pair[1];
	net.tap = console.in = console.out = pair[0];
	w->dev = which % 3 == 0 ? virtio_net_new(&net, "f", w->loop, &w->mem, &err) :
				  virtio_console_new(&console, "f", w->loop, &w->mem, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct world w = { .loop = loop_new() };
	struct err err = ERR_INIT;
	uint64_t features;

	must(memory_init(&w.mem, MEMORY, 3ULL << 30, 4ULL << 30, byte(&in) & 1, &err) == 0);
	make(&w, byte(&in));
	must(w.dev);
	/* Those of the device, and 28 and 29, which are the rings'. */
	features = 1ULL << 32 | (uint64_t)byte(&in) << 24 | word(&in) | 1ULL << 15;
	start(&w, features);
	for (unsigned i = 0; i < STEPS_MAX && in.size > 0; i++)
		step(&w, &in, features);
	virtio_device_free(w.dev);
	close_fd(&w.peer);
	loop_free(w.loop);
	memory_done(&w.mem);
	return 0;
}
