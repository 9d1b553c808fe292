/* SPDX-License-Identifier: Apache-2.0 */
/* How long things took, in buckets of 1, 2, 4 … 512 ms: a family with one label. */
#ifndef PROM_HISTOGRAM_H
#define PROM_HISTOGRAM_H

#include <stdint.h>

#include "base/str.h"

#define PROM_BUCKETS 10

/* Values of the label, at most; what is beyond is not counted. */
#define PROM_ACTIONS_MAX 64

struct prom_action {
	char *name;
	uint64_t buckets[PROM_BUCKETS]; /* each its own, not those below it */
	uint64_t count, sum;
};

/* A zeroed one is empty. */
struct prom_histogram {
	struct prom_action *actions;
	size_t n;
};

/* @action took @ms. */
void prom_observe(struct prom_histogram *h, const char *action, int64_t ms);

/*
 * The family, empty or not; @label NULL: there is none, and one action at most, which then
 * counts from zero.
 */
void prom_histogram_write(const struct prom_histogram *h, struct str *out, const char *prefix,
			  const char *name, const char *help, const char *label);

void prom_histogram_free(struct prom_histogram *h);

#endif
