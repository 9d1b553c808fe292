/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/balloon.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/str.h"

#define QUEUE_SIZE 128
#define PAGE	   (1ULL << VIRTIO_BALLOON_PFN_SHIFT)
#define PAGES_MIB  ((uint64_t)1 << (20 - VIRTIO_BALLOON_PFN_SHIFT))

/* Pages in one chain; Linux sends 256. More would keep the loop from all else for long. */
#define CHAIN_PAGES 8192
#define STATS_MAX   (64 * sizeof(struct virtio_balloon_stat))

enum role { INFLATE, DEFLATE, STATS, HINTS, REPORTS, ROLES };

struct balloon {
	struct virtio_device dev;
	struct virtq queues[ROLES];
	enum role role[ROLES]; /* of each queue */
	struct virtio_balloon_config config;
	struct virtio_balloon_counters counters;
	bool asking; /* the guest's buffer for statistics is with us */
	uint16_t stats_head;
	unsigned stats_queue;
	struct virtq_chain chain;
};

/*
 * Give [@start, @start + @len) of the monitor's address space back: of a shared memory the
 * pages behind it, which all that map it lose. Huge pages come back whole when all of them
 * has been given, however many steps that took.
 */
static void give_back(const struct balloon *b, uint8_t *start, uint64_t len)
{
	uint64_t head = -(uintptr_t)start & (PAGE - 1);

	if (len < head + PAGE)
		return;
	/* The host's pages may be larger: then it refuses, and the guest keeps what it gave. */
	(void)madvise(start + head, (len - head) & ~(PAGE - 1),
		      b->dev.mem->fd >= 0 ? MADV_REMOVE : MADV_DONTNEED);
}

/* Pages that follow one another, in whichever direction the guest finds them. */
struct run {
	uint64_t first, n;
};

static bool extend(struct run *run, uint64_t pfn)
{
	if (run->n > 0 && pfn == run->first + run->n)
		run->n++;
	else if (run->n > 0 && pfn + 1 == run->first)
		run->first--, run->n++;
	else
		return false;
	return true;
}

/* 0, or -EPROTO: not all of it is guest memory. */
static int give_run(const struct balloon *b, const struct run *run)
{
	uint8_t *start = memory_at(b->dev.mem, run->first * PAGE, run->n * PAGE);

	if (run->n == 0)
		return 0;
	if (start) {
		give_back(b, start, run->n * PAGE);
		return 0;
	}
	/* Two neighbours in address may be apart in memory. */
	for (uint64_t i = 0; i < run->n; i++) {
		start = memory_at(b->dev.mem, (run->first + i) * PAGE, PAGE);
		if (!start)
			return -EPROTO;
		give_back(b, start, PAGE);
	}
	return 0;
}

/* Section 5.5.6: an array of page numbers. */
static int inflate(struct balloon *b, const struct virtq_chain *c)
{
	struct run run = { 0, 0 };
	uint32_t pfns[256];
	uint64_t at = 0;
	size_t n;

	if (c->readable_len > CHAIN_PAGES * sizeof(pfns[0]))
		return -EPROTO;
	while ((n = virtq_read(c, at, pfns, sizeof(pfns)) / sizeof(pfns[0])) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (extend(&run, pfns[i]))
				continue;
			if (give_run(b, &run) < 0)
				return -EPROTO;
			run = (struct run){ pfns[i], 1 };
		}
		at += n * sizeof(pfns[0]);
		b->counters.inflated += n;
	}
	return give_run(b, &run);
}

/* Section 5.5.6.7: the buffers themselves are what is free. */
static void report(struct balloon *b, const struct virtq_chain *c)
{
	for (unsigned i = c->readable; i < c->readable + c->writable; i++)
		give_back(b, c->iov[i].iov_base, c->iov[i].iov_len);
	b->counters.reported += c->writable_len;
}

/* Section 5.5.6.3: what the guest says, and its buffer stays until it is asked again. */
static void read_stats(struct balloon *b, const struct virtq_chain *c)
{
	struct virtio_balloon_stat s;

	for (uint64_t at = 0; at < STATS_MAX; at += sizeof(s)) {
		if (virtq_read(c, at, &s, sizeof(s)) < sizeof(s))
			break;
		if (s.tag == VIRTIO_BALLOON_S_MEMFREE)
			b->counters.free = s.val;
		if (s.tag == VIRTIO_BALLOON_S_AVAIL)
			b->counters.available = s.val;
	}
}

/* One chain. 1: it is done with; 0: it is kept; -EPROTO. */
static int take(struct balloon *b, unsigned queue, const struct virtq_chain *c)
{
	switch (b->role[queue]) {
	case INFLATE:
		return inflate(b, c) < 0 ? -EPROTO : 1;
	case DEFLATE:
		b->counters.deflated += c->readable_len / sizeof(__le32);
		return 1;
	case STATS:
		if (b->asking)
			return -EPROTO; /* there is one buffer for them */
		read_stats(b, c);
		b->asking = true;
		b->stats_head = c->head;
		b->stats_queue = queue;
		return 0;
	case REPORTS:
		report(b, c);
		return 1;
	default:
		return 1;
	}
}

static void balloon_kick(struct virtio_device *dev, unsigned queue)
{
	struct balloon *b = container_of(dev, struct balloon, dev);
	struct virtq *q = &b->queues[queue];
	uint64_t bytes = 0;
	int r = 0;

	virtq_kicks(q, false);
	while (bytes <= CHAIN_PAGES * sizeof(__le32) && (r = virtq_pop(q, &b->chain)) > 0) {
		r = take(b, queue, &b->chain);
		if (r < 0)
			break;
		if (r > 0)
			virtq_push(q, b->chain.head, 0);
		/* An empty chain costs something as well. */
		bytes += b->chain.readable_len + sizeof(__le32) * 64;
	}
	virtio_notify(dev, queue);
	if (r < 0)
		virtio_break(dev, "queue %u: bad descriptors, or pages that are not its memory",
			     queue);
	else if (virtq_kicks(q, true))
		virtio_kick_later(dev, queue);
}

/*
 * Which queue is what. By the specification each has its number; drivers, Linux first,
 * leave out those whose feature is not agreed upon and count the rest.
 */
static int balloon_start(struct virtio_device *dev)
{
	struct balloon *b = container_of(dev, struct balloon, dev);
	bool has[ROLES] = { true, true, virtio_has(dev, VIRTIO_BALLOON_F_STATS_VQ), false,
			    virtio_has(dev, VIRTIO_BALLOON_F_REPORTING) };
	bool by_number = b->queues[REPORTS].ready;
	unsigned n = 0;

	for (unsigned role = 0; role < ROLES; role++)
		if (has[role] || by_number)
			b->role[n++] = (enum role)role;
	while (n < ROLES)
		b->role[n++] = HINTS; /* nothing comes of it */
	b->asking = false;
	return 0;
}

static void balloon_reset(struct virtio_device *dev)
{
	struct balloon *b = container_of(dev, struct balloon, dev);

	b->asking = false;
	/* Whatever was in the balloon is the guest's again. */
	__atomic_store_n(&b->config.actual, 0, __ATOMIC_RELAXED);
}

static void balloon_stats(struct virtio_device *dev, struct str *out)
{
	struct balloon *b = container_of(dev, struct balloon, dev);
	const struct virtio_balloon_counters *c = virtio_balloon_counters(dev);
	__le32 actual;

	virtio_get_config(dev, offsetof(struct virtio_balloon_config, actual), &actual,
			  sizeof(actual));
	str_printf(out, " balloon=%" PRIu64 " balloon-wanted=%" PRIu64 " reported=%" PRIu64,
		   actual / PAGES_MIB, b->config.num_pages / PAGES_MIB, c->reported >> 20);
	if (c->free != UINT64_MAX)
		str_printf(out, " free=%" PRIu64, c->free >> 20);
	if (c->available != UINT64_MAX)
		str_printf(out, " available=%" PRIu64, c->available >> 20);
}

static void balloon_free(struct virtio_device *dev)
{
	free(container_of(dev, struct balloon, dev));
}

static const struct virtio_ops balloon_ops = {
	.name = "balloon",
	.id = VIRTIO_ID_BALLOON,
	.start = balloon_start,
	.kick = balloon_kick,
	.reset = balloon_reset,
	.stats = balloon_stats,
	.free = balloon_free,
};

int virtio_balloon_resize(struct virtio_device *dev, uint64_t mib, struct err *err)
{
	uint64_t has = 0;
	__le32 pages;

	for (unsigned i = 0; i < dev->mem->n; i++)
		has += dev->mem->region[i].size >> 20;
	if (mib >= has)
		return err_set(err, ERANGE,
			       "balloon: the guest cannot give up %" PRIu64 " MiB of %" PRIu64, mib,
			       has);
	pages = (__le32)(mib * PAGES_MIB);
	virtio_set_config(dev, offsetof(struct virtio_balloon_config, num_pages), &pages,
			  sizeof(pages));
	return 0;
}

const struct virtio_balloon_counters *virtio_balloon_counters(struct virtio_device *dev)
{
	struct balloon *b = container_of(dev, struct balloon, dev);

	if (b->asking && virtio_runs(dev)) {
		virtq_push(&b->queues[b->stats_queue], b->stats_head, 0);
		virtio_notify(dev, b->stats_queue);
		b->asking = false;
	}
	return &b->counters;
}

struct virtio_device *virtio_balloon_new(const struct virtio_balloon_setup *setup, const char *id,
					 struct loop *loop, const struct memory *mem,
					 struct err *err)
{
	struct balloon *b = xcalloc(1, sizeof(*b));

	virtio_device_init(&b->dev, &balloon_ops, id, loop, mem, b->queues, ROLES, QUEUE_SIZE);
	b->dev.offered |= 1ULL << VIRTIO_BALLOON_F_STATS_VQ |
			  1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
			  (setup->reporting ? 1ULL << VIRTIO_BALLOON_F_REPORTING : 0);
	b->dev.config = &b->config;
	b->dev.config_len = offsetof(struct virtio_balloon_config, free_page_hint_cmd_id);
	b->dev.config_writable_from = offsetof(struct virtio_balloon_config, actual);
	b->dev.config_writable_to = b->dev.config_len;
	b->counters.free = b->counters.available = UINT64_MAX;
	if (virtio_balloon_resize(&b->dev, setup->mib, err) < 0) {
		virtio_device_free(&b->dev);
		return NULL;
	}
	return &b->dev;
}
