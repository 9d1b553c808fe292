/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/rng.h"

#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/str.h"

#define QUEUE_SIZE 64

/*
 * Bytes for one request. A device may give fewer than there is room for (section 5.4.6.1),
 * and one that gives gigabytes to whoever asks holds up all others.
 */
#define CHUNK_MAX 4096

struct rng {
	struct virtio_device dev;
	struct virtq queue;
};

/* Random bytes right into the guest's buffers: how many. */
static uint32_t fill(const struct virtq_chain *c)
{
	uint32_t done = 0;

	for (unsigned i = 0; i < c->writable && done < CHUNK_MAX; i++) {
		const struct iovec *v = &c->iov[c->readable + i];
		size_t want = v->iov_len < CHUNK_MAX - done ? v->iov_len : CHUNK_MAX - done;
		ssize_t got = getrandom(v->iov_base, want, GRND_NONBLOCK);

		if (got > 0)
			done += (uint32_t)got;
		if (got != (ssize_t)want)
			break;
	}
	return done;
}

static int rng_start(struct virtio_device *dev)
{
	(void)dev;
	return 0;
}

static void rng_kick(struct virtio_device *dev, unsigned queue)
{
	struct virtq *q = &dev->queues[queue];
	struct virtq_chain c;
	unsigned done = 0;
	int r = 0;

	virtq_kicks(q, false);
	while (done < q->size && (r = virtq_pop(q, &c)) > 0) {
		uint32_t n = fill(&c);

		virtq_push(q, c.head, n);
		done++;
		if (n == 0)
			virtio_break(dev, "nothing to give, or nowhere to put it");
		if (dev->broken)
			break;
	}
	virtio_notify(dev, queue);
	if (r < 0)
		virtio_break(dev, "queue %u: bad descriptors", queue);
	else if (virtq_kicks(q, true))
		virtio_kick_later(dev, queue);
}

static void rng_reset(struct virtio_device *dev)
{
	(void)dev; /* nothing is ever in flight */
}

static void rng_free(struct virtio_device *dev)
{
	free(container_of(dev, struct rng, dev));
}

static const struct virtio_ops rng_ops = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.start = rng_start,
	.kick = rng_kick,
	.reset = rng_reset,
	.free = rng_free,
};

struct virtio_device *virtio_rng_new(const char *id, struct loop *loop, const struct memory *mem,
				     struct err *err)
{
	struct rng *rng = xcalloc(1, sizeof(*rng));

	(void)err; /* it needs nothing that could be refused */
	virtio_device_init(&rng->dev, &rng_ops, id, loop, mem, &rng->queue, 1, QUEUE_SIZE);
	return &rng->dev;
}
