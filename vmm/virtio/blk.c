/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"

#define QUEUE_SIZE	128
#define REQUESTS	(QUEUE_SIZE + 1)
#define SEGMENTS	(QUEUE_SIZE - 2) /* of data: beside them go the header and the status */
#define SEGMENT_BYTES	(1U << 20)
#define DISCARD_SECTORS (1U << 21) /* 1 GiB in one go */
#define DRAIN_MS	5000
/* What a driver may ask for at most, and after how much of it others have their turn. */
#define REQUEST_BYTES ((uint64_t)SEGMENTS * SEGMENT_BYTES)
#define TURN_BYTES    (16U << 20)

/* One request of the guest's, from its chain to its status. */
struct request {
	struct blk_io_request io; /* first: blk_io gives it back */
	struct virtq_chain chain; /* its iov, cut to the data, is what io works on */
	uint64_t data_len;
	uint8_t *status; /* in guest memory */
};

struct blk {
	struct virtio_device dev;
	struct virtq queue; /* the one; a second would have a request's number of it */
	struct virtio_blk_config config;
	struct blk_file file;
	struct blk_io *io;
	bool read_only, no_flush, through;
	bool dead; /* the file did not answer in time: never to be used again */
	char serial[VIRTIO_BLK_ID_BYTES];
	struct rate rate;
	struct loop_source *later; /* for the rate limit */

	/*
	 * One more than the queue lets out at once, for a look at the next chain. A stack of
	 * the free ones, so that as few as were ever in flight together are touched.
	 */
	struct request *requests;
	struct request *free[REQUESTS];
	unsigned n_free;
};

static struct blk *blk_of(struct virtio_device *dev)
{
	return container_of(dev, struct blk, dev);
}

static void finish(struct blk *b, struct request *r, uint8_t status)
{
	*r->status = status;
	virtq_push(&b->queue, r->chain.head, (uint32_t)r->chain.writable_len);
	b->free[b->n_free++] = r;
}

static uint8_t status_of(int result)
{
	if (result == -EOPNOTSUPP)
		return VIRTIO_BLK_S_UNSUPP;
	return result < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
}

/* From blk_io; without a request: that is all for now. */
static void on_done(struct blk_io_request *io, int result, void *arg)
{
	struct blk *b = arg;

	if (!io) {
		virtio_notify(&b->dev, 0);
		return;
	}
	if (result < 0)
		log_debug("blk %s: %s", b->dev.id, strerror(-result));
	/* Too late: the device broke or was reset meanwhile, and its queue may be no more. */
	if (b->dead)
		return;
	finish(b, (struct request *)io, status_of(result));
}

/* Cut @n bytes off the front (or the back) of @v. */
static void cut(struct iovec **v, unsigned *count, uint64_t n, bool back)
{
	while (n > 0 && *count > 0) {
		struct iovec *at = back ? *v + *count - 1 : *v;
		uint64_t part = at->iov_len < n ? at->iov_len : n;

		at->iov_len -= part;
		if (!back)
			at->iov_base = (uint8_t *)at->iov_base + part;
		n -= part;
		if (at->iov_len > 0)
			continue;
		--*count;
		if (!back)
			++*v;
	}
}

/*
 * Section 5.2.6: a header that the device reads, data, and a status byte at the very end
 * that it writes; where one buffer ends and the next begins means nothing (2.7.4). False
 * when header or status are missing.
 */
static bool take_apart(struct request *r, struct virtio_blk_outhdr *h)
{
	struct virtq_chain *c = &r->chain;
	struct iovec *in = c->iov + c->readable, *last;
	unsigned n_in = c->writable;
	bool out = false;

	if (c->writable == 0 || virtq_read(c, 0, h, sizeof(*h)) < sizeof(*h))
		return false;
	last = &in[n_in - 1];
	r->status = (uint8_t *)last->iov_base + last->iov_len - 1;
	cut(&in, &n_in, 1, true);
	out = h->type == VIRTIO_BLK_T_OUT;
	r->io = (struct blk_io_request){ .iov = out ? c->iov : in, .n = out ? c->readable : n_in };
	if (out)
		cut(&r->io.iov, &r->io.n, sizeof(*h), false);
	r->io.len = out ? c->readable_len - sizeof(*h) : c->writable_len - 1;
	return true;
}

/* Whole sectors that the disk has? Says where they lie in the file. */
static bool on_disk(const struct blk *b, uint64_t sector, uint64_t bytes, uint64_t *offset)
{
	uint64_t sectors = b->file.bytes / SECTOR;

	*offset = sector * SECTOR;
	return bytes % SECTOR == 0 && sector <= sectors && bytes / SECTOR <= sectors - sector;
}

/* A number of the kernel's header to one of ours; -1: unknown. */
static int kind(uint32_t type)
{
	switch (type) {
	case VIRTIO_BLK_T_IN:
		return BLK_READ;
	case VIRTIO_BLK_T_OUT:
		return BLK_WRITE;
	case VIRTIO_BLK_T_FLUSH:
		return BLK_FLUSH;
	case VIRTIO_BLK_T_DISCARD:
		return BLK_DISCARD;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return BLK_ZERO;
	}
	return -1;
}

/* What @op needs the driver to have agreed upon. */
static bool agreed(const struct blk *b, enum blk_op op)
{
	if (op == BLK_DISCARD)
		return virtio_has(&b->dev, VIRTIO_BLK_F_DISCARD);
	return op != BLK_ZERO || virtio_has(&b->dev, VIRTIO_BLK_F_WRITE_ZEROES);
}

/* Discard and write zeroes: one range, as the configuration space says (section 5.2.6). */
static int plan_range(const struct blk *b, struct request *r)
{
	struct virtio_blk_discard_write_zeroes range;
	bool unmap;

	if (r->chain.readable_len != sizeof(struct virtio_blk_outhdr) + sizeof(range))
		return VIRTIO_BLK_S_IOERR;
	virtq_read(&r->chain, sizeof(struct virtio_blk_outhdr), &range, sizeof(range));
	unmap = range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	if (range.flags & ~(uint32_t)VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP ||
	    (r->io.op == BLK_DISCARD && unmap))
		return VIRTIO_BLK_S_UNSUPP;
	r->io.len = (uint64_t)range.num_sectors * SECTOR;
	if (range.num_sectors > DISCARD_SECTORS ||
	    !on_disk(b, range.sector, r->io.len, &r->io.offset))
		return VIRTIO_BLK_S_IOERR;
	r->io.n = 0;
	return r->io.len > 0 ? -1 : VIRTIO_BLK_S_OK;
}

/* Fill in r->io: -1 when it is for the file, else the status that answers it already. */
static int plan(struct blk *b, struct request *r, const struct virtio_blk_outhdr *h)
{
	int op = kind(h->type);

	if (h->type == VIRTIO_BLK_T_GET_ID) {
		virtq_write(&r->chain, 0, b->serial,
			    r->io.len < sizeof(b->serial) ? r->io.len : sizeof(b->serial));
		return VIRTIO_BLK_S_OK;
	}
	if (op < 0 || !agreed(b, (enum blk_op)op))
		return VIRTIO_BLK_S_UNSUPP;
	r->io.op = (enum blk_op)op;
	if (r->io.op == BLK_FLUSH) {
		r->io.n = 0;
		return b->no_flush ? VIRTIO_BLK_S_OK : -1;
	}
	if (r->io.op != BLK_READ && b->read_only)
		return VIRTIO_BLK_S_IOERR;
	if (r->io.op == BLK_DISCARD || r->io.op == BLK_ZERO)
		return plan_range(b, r);
	r->io.through = b->through;
	/* Gigabytes, maybe into the same page again and again, would hold up all else. */
	if (r->io.len > REQUEST_BYTES || !on_disk(b, h->sector, r->io.len, &r->io.offset))
		return VIRTIO_BLK_S_IOERR;
	return r->io.len > 0 ? -1 : VIRTIO_BLK_S_OK;
}

/* 1 when a request was taken up, of so many *@bytes more; 0 when there is none; -EPROTO. */
static int take_one(struct blk *b, uint64_t *bytes)
{
	struct request *r = b->free[b->n_free - 1];
	struct virtio_blk_outhdr h;
	int got = virtq_pop(&b->queue, &r->chain), status;

	if (got <= 0)
		return got;
	if (!take_apart(r, &h)) {
		virtq_unpop(&b->queue, r->chain.head);
		return -EPROTO;
	}
	b->n_free--;
	rate_take(&b->rate, 1, r->io.len);
	status = plan(b, r, &h);
	if (status < 0 && (r->io.op == BLK_READ || r->io.op == BLK_WRITE))
		*bytes += r->io.len;
	if (status < 0)
		blk_io_begin(b->io, &r->io);
	else
		finish(b, r, (uint8_t)status);
	return 1;
}

static void go_on(void *arg)
{
	struct blk *b = arg;

	b->later = NULL;
	virtio_device_kick(&b->dev, 0);
}

/* May the next request pass? Otherwise it is seen to later. */
static bool passes(struct blk *b)
{
	int64_t wait;

	if (!rate_limited(&b->rate))
		return true;
	wait = rate_wait(&b->rate, loop_now_ms());
	if (wait > 0 && !b->later)
		b->later = loop_add_timer(b->dev.loop, wait, go_on, b);
	return wait == 0;
}

static void blk_kick(struct virtio_device *dev, unsigned queue)
{
	struct blk *b = blk_of(dev);
	uint64_t bytes = 0;
	unsigned n = 0;
	int r = 1;

	virtq_kicks(&b->queue, false);
	while (r > 0 && n++ < b->queue.size && bytes < TURN_BYTES && passes(b))
		r = take_one(b, &bytes);
	blk_io_commit(b->io);
	virtio_notify(dev, queue);
	if (r < 0)
		virtio_break(dev, "queue %u: bad descriptors", queue);
	else if (!b->later && virtq_kicks(&b->queue, true))
		virtio_kick_later(dev, queue);
}

static bool settled(struct blk *b)
{
	if (!b->dead && blk_io_drain(b->io, DRAIN_MS) < 0) {
		log_error("blk %s: its file did not answer for %d ms; it is given up", b->dev.id,
			  DRAIN_MS);
		b->dead = true;
	}
	return !b->dead;
}

/* Section 5.2.5.2: without FLUSH a driver expects what is written to stay. */
static void set_cache(struct blk *b)
{
	uint8_t writeback = virtio_has(&b->dev, VIRTIO_BLK_F_FLUSH);

	if (virtio_has(&b->dev, VIRTIO_BLK_F_CONFIG_WCE))
		virtio_get_config(&b->dev, offsetof(struct virtio_blk_config, wce), &writeback, 1);
	b->through = !writeback && !b->no_flush;
}

static int blk_start(struct virtio_device *dev)
{
	struct blk *b = blk_of(dev);

	if (b->dead)
		return -EIO;
	set_cache(b);
	return 0;
}

static void blk_config_written(struct virtio_device *dev)
{
	if (dev->started)
		set_cache(blk_of(dev));
}

static void blk_pause(struct virtio_device *dev)
{
	struct blk *b = blk_of(dev);

	loop_remove(&b->later);
	if (!settled(b))
		virtio_break(dev, "its file does not answer");
	virtio_notify(dev, 0);
}

static void blk_reset(struct virtio_device *dev)
{
	struct blk *b = blk_of(dev);

	loop_remove(&b->later);
	settled(b);
}

static void blk_free(struct virtio_device *dev)
{
	struct blk *b = blk_of(dev);

	blk_io_free(b->io);
	close_fd(&b->file.fd);
	free(b->requests);
	free(b);
}

static const struct virtio_ops blk_ops = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.start = blk_start,
	.kick = blk_kick,
	.reset = blk_reset,
	.config_written = blk_config_written,
	.pause = blk_pause,
	.free = blk_free,
};

static void offer(struct blk *b)
{
	b->dev.offered |= 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_SIZE_MAX |
			  1ULL << VIRTIO_BLK_F_BLK_SIZE | 1ULL << VIRTIO_BLK_F_TOPOLOGY;
	if (b->read_only)
		b->dev.offered |= 1ULL << VIRTIO_BLK_F_RO;
	else
		b->dev.offered |= 1ULL << VIRTIO_BLK_F_FLUSH | 1ULL << VIRTIO_BLK_F_CONFIG_WCE;
	if (!b->read_only && b->file.can_discard)
		b->dev.offered |= 1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
}

static void configure(struct blk *b)
{
	const struct blk_file *f = &b->file;
	uint32_t page = f->physical > f->block ? f->physical : f->block;

	b->config = (struct virtio_blk_config){
		.capacity = f->bytes / SECTOR,
		.size_max = SEGMENT_BYTES,
		.seg_max = SEGMENTS,
		.blk_size = f->block,
		.physical_block_exp = (uint8_t)__builtin_ctz(page / f->block),
		.min_io_size = (uint16_t)(f->io_min / f->block),
		.opt_io_size = f->io_opt / f->block,
		.wce = 1,
		.max_discard_sectors = DISCARD_SECTORS,
		.max_discard_seg = 1,
		.discard_sector_alignment = page / SECTOR,
		.max_write_zeroes_sectors = DISCARD_SECTORS,
		.max_write_zeroes_seg = 1,
		.write_zeroes_may_unmap = 1,
	};
	b->dev.config = &b->config;
	b->dev.config_len = sizeof(b->config);
	b->dev.config_writable_from = offsetof(struct virtio_blk_config, wce);
	b->dev.config_writable_to = b->dev.config_writable_from + 1;
}

struct virtio_device *virtio_blk_new(const struct virtio_blk_setup *setup, const char *id,
				     struct loop *loop, const struct memory *mem, struct err *err)
{
	struct blk *b = xcalloc(1, sizeof(*b));
	int flags = fcntl(setup->fd, F_GETFL);

	virtio_device_init(&b->dev, &blk_ops, id, loop, mem, &b->queue, 1, QUEUE_SIZE);
	/* Zeroed by the kernel, not touched: most of it never is. */
	b->requests = xcalloc(REQUESTS, sizeof(*b->requests));
	for (unsigned i = REQUESTS; i > 0; i--)
		b->free[b->n_free++] = &b->requests[i - 1];
	memccpy(b->serial, setup->serial ? setup->serial : id, 0, sizeof(b->serial));
	rate_init(&b->rate, &setup->limits, loop_now_ms());
	b->no_flush = setup->no_flush;
	if (blk_file_look(&b->file, setup->fd, setup->direct, err) == 0)
		b->io = blk_io_new(&b->file, setup->engine, QUEUE_SIZE, loop, on_done, b, err);
	if (!b->io) {
		err_wrap(err, "disk %s", id);
		virtio_device_free(&b->dev);
		return NULL;
	}
	b->read_only = setup->read_only || (flags & O_ACCMODE) == O_RDONLY;
	offer(b);
	configure(b);
	return &b->dev;
}
