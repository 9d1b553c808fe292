/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system device in front of a server that says what it likes, when it likes: whole
 * answers, pieces of them, too many, none. The input is a list of steps, each a byte for what
 * and some for it. Nobody is waited for: what is not there by now has taken too long.
 */
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "fuzz.h"
#include "vmm/virtio/fs.h"

#define MEMORY	  (1ULL << 20)
#define RING	  16
#define QUEUES	  2
#define STEPS_MAX 200
#define REPLY	  5 /* version 1, an answer */

struct input {
	const uint8_t *data;
	size_t size;
};

struct world {
	struct memory mem;
	struct loop *loop;
	struct virtio_device *dev;
	int server; /* the other end of its socket, or -1 */
	int kick[QUEUES], call;
};

int __wrap_fd_poll(int fd, short events, int timeout_ms);

int __wrap_fd_poll(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	(void)timeout_ms;
	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

static uint8_t byte(struct input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

static void bytes(struct input *in, void *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)out)[i] = byte(in);
}

static void nothing(struct virtio_device *dev)
{
	(void)dev;
}

static void nothing_of(struct virtio_device *dev, unsigned queue)
{
	(void)dev;
	(void)queue;
}

static void hand_over(struct virtio_device *dev, unsigned queue, int *kick, int *call)
{
	const struct world *w = dev->transport_data;

	*kick = w->kick[queue];
	*call = w->call;
}

static const struct virtio_transport_ops transport = {
	.interrupt = nothing_of,
	.kick_later = nothing_of,
	.config_changed = nothing,
	.needs_reset = nothing,
	.hand_over = hand_over,
	.lock = nothing,
	.unlock = nothing,
};

static void say(struct world *w, const void *data, size_t len)
{
	if (w->server >= 0)
		(void)!send(w->server, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* An answer, right but for what the input makes of it. */
static void answer(struct world *w, struct input *in)
{
	static const uint32_t requests[] = { 1, 11, 15, 5 };
	uint8_t how = byte(in);
	struct {
		uint32_t request, flags, size, payload[2];
	} a = { requests[how & 3], REPLY, 8, { 0 } };

	bytes(in, a.payload, how & 4 ? 8 : 1);
	if (how & 8)
		a.payload[1] = byte(in);
	if (how & 16)
		a.flags ^= byte(in);
	if (how & 32)
		a.size ^= byte(in);
	if (how & 64)
		a.size <<= 28;
	say(w, &a, how & 128 ? byte(in) % sizeof(a) : sizeof(a));
}

static void rubbish(struct world *w, struct input *in)
{
	uint8_t data[64];
	size_t n = byte(in) % sizeof(data);

	bytes(in, data, n);
	say(w, data, n);
}

static void drain(struct world *w)
{
	static uint8_t buf[65536];

	while (w->server >= 0 && recv(w->server, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static void start(struct world *w, uint8_t which)
{
	for (unsigned i = 0; i < QUEUES; i++) {
		struct virtq *q = &w->dev->queues[i];

		q->size = RING;
		q->ready = !(which & 1U << i);
		q->desc = 4096 * (1 + i);
		q->avail = q->desc + 1024;
		q->used = q->desc + 2048;
	}
	virtio_device_start(w->dev, w->dev->offered);
}

static void step(struct world *w, struct input *in)
{
	switch (byte(in) % 10) {
	case 0:
		virtio_device_reset(w->dev);
		start(w, byte(in));
		break;
	case 1:
		virtio_device_reset(w->dev);
		break;
	case 2:
		virtio_device_pause(w->dev);
		break;
	case 3:
		virtio_device_resume(w->dev);
		break;
	case 4:
		virtio_device_kick(w->dev, byte(in) % QUEUES);
		break;
	case 5:
		must(loop_step(w->loop, 0) == 0);
		break;
	case 6:
		rubbish(w, in);
		break;
	case 7:
		drain(w);
		break;
	case 8:
		if (byte(in) == 'c')
			close_fd(&w->server);
		break;
	default:
		answer(w, in);
	}
}

static void make(struct world *w, struct input *in)
{
	struct virtio_fs_setup setup = { .tag = "fuzz", .queue_size = RING };
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	setup.server = pair[0];
	w->server = pair[1];
	for (uint8_t n = byte(in) % 4; n > 0; n--)
		answer(w, in);
	w->dev = virtio_fs_new(&setup, "fuzz", w->loop, &w->mem, NULL);
	if (!w->dev)
		return;
	w->dev->transport = &transport;
	w->dev->transport_data = w;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct world w = { .loop = loop_new() };

	must(memory_init(&w.mem, MEMORY, 1ULL << 30, 1ULL << 32, true, NULL) == 0);
	for (unsigned i = 0; i < QUEUES; i++)
		w.kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w.call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	make(&w, &in);
	for (int i = 0; w.dev && i < STEPS_MAX && in.size > 0; i++)
		step(&w, &in);
	virtio_device_free(w.dev);
	for (unsigned i = 0; i < QUEUES; i++)
		close(w.kick[i]);
	close(w.call);
	close_fd(&w.server);
	loop_free(w.loop);
	memory_done(&w.mem);
	return 0;
}
