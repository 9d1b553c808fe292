/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rate limiter: one token bucket for operations, one for bytes. A bucket holds a second's
 * worth; what is taken may leave it in debt, so that one big request passes and those behind
 * it wait the longer. It keeps no timer and no clock: whoever is told to wait sets one.
 */
#ifndef VMM_VIRTIO_RATE_H
#define VMM_VIRTIO_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_MAX (1ULL << 40) /* of all numbers below; more is taken for this */

struct rate_limits {
	uint64_t ops, bytes;		 /* a second; 0: no limit */
	uint64_t ops_burst, bytes_burst; /* once on top, at the start */
};

struct rate_bucket {
	int64_t per_second; /* 0: no limit */
	int64_t level;	    /* thousandths; below 0: in debt */
};

struct rate {
	struct rate_bucket ops, bytes;
	int64_t filled; /* when, in ms */
};

void rate_init(struct rate *r, const struct rate_limits *limits, int64_t now_ms);
bool rate_limited(const struct rate *r);
/* 0: one more may pass; else the milliseconds, 1 or more, after which to ask again. */
int64_t rate_wait(struct rate *r, int64_t now_ms);
/* What passed. */
void rate_take(struct rate *r, uint64_t ops, uint64_t bytes);

#endif
