/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/rate.h"

#define SECOND 1000LL /* ms, and thousandths of a token: so a token a second is one a ms */

static int64_t bounded(uint64_t v)
{
	return (int64_t)(v < RATE_MAX ? v : RATE_MAX);
}

static struct rate_bucket bucket(uint64_t per_second, uint64_t burst)
{
	return (struct rate_bucket){
		.per_second = bounded(per_second),
		.level = (bounded(per_second) + bounded(burst)) * SECOND,
	};
}

void rate_init(struct rate *r, const struct rate_limits *limits, int64_t now_ms)
{
	r->ops = bucket(limits->ops, limits->ops_burst);
	r->bytes = bucket(limits->bytes, limits->bytes_burst);
	r->filled = now_ms;
}

bool rate_limited(const struct rate *r)
{
	return r->ops.per_second > 0 || r->bytes.per_second > 0;
}

/* A burst stands above the brim and is not poured away, but never comes back either. */
static void fill(struct rate_bucket *b, int64_t ms)
{
	int64_t brim = b->per_second * SECOND, missing = brim - b->level;

	if (missing <= 0 || b->per_second == 0)
		return;
	/* Compared by division: the product of a long rest would not fit. */
	if (ms > missing / b->per_second)
		b->level = brim;
	else
		b->level += ms * b->per_second;
}

static int64_t wait_of(const struct rate_bucket *b)
{
	if (b->per_second == 0 || b->level > 0)
		return 0;
	return -b->level / b->per_second + 1;
}

int64_t rate_wait(struct rate *r, int64_t now_ms)
{
	int64_t ops, bytes;

	if (now_ms > r->filled) {
		fill(&r->ops, now_ms - r->filled);
		fill(&r->bytes, now_ms - r->filled);
		r->filled = now_ms;
	}
	ops = wait_of(&r->ops);
	bytes = wait_of(&r->bytes);
	return ops > bytes ? ops : bytes;
}

static void take(struct rate_bucket *b, uint64_t n)
{
	if (b->per_second > 0)
		b->level -= bounded(n) * SECOND;
}

void rate_take(struct rate *r, uint64_t ops, uint64_t bytes)
{
	take(&r->ops, ops);
	take(&r->bytes, bytes);
}
