/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim: pages that are given up are empty when they come back, those beside them are as they
 * were, and free ones that are reported are the same. The host looks at what it got.
 */
#include "virtio.h"

#define FEATURE_REPORTING 5
#define MIB		  (1UL << 20)
#define PAGES		  2048U /* 8 MiB */
#define AT_ONCE		  256U
#define ACTUAL		  (REG_CONFIG + 4)

enum { INFLATE, DEFLATE, REPORT }; /* without statistics between them */

static uint8_t *pages;
static uint32_t *numbers;

static void fill(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		*(volatile uint64_t *)(uintptr_t)(pages + i * 4096UL + i % 512 * 8) = ~(uint64_t)i;
}

/* The words that fill() wrote from page @from to @to: there, or empty. */
static void check(uint32_t from, uint32_t to, bool there)
{
	for (uint32_t i = from; i < to; i++)
		must(*(volatile uint64_t *)(uintptr_t)(pages + i * 4096UL + i % 512 * 8) ==
		     (there ? ~(uint64_t)i : 0));
}

/* Pages [@from, @to) to @queue, by their numbers. */
static void tell(struct device *d, unsigned queue, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i += AT_ONCE) {
		uint32_t n = to - i < AT_ONCE ? to - i : AT_ONCE;

		for (uint32_t k = 0; k < n; k++)
			numbers[k] = (uint32_t)((uintptr_t)pages >> 12) + i + k;
		d->queue[queue].desc[0] = (struct desc){ (uintptr_t)numbers, n * 4, 0, 0 };
		queue_do(d, queue, 0);
	}
}

void guest_main(void)
{
	struct device d;

	pages = take(PAGES * 4096UL, 2 * MIB);
	numbers = take(AT_ONCE * 4, 16);
	must(device_find(&d, ID_BALLOON, 0));
	must(device_features(&d) & 1ULL << FEATURE_REPORTING);
	device_start(&d, 1ULL << FEATURE_REPORTING);
	fill(PAGES);
	check(0, PAGES, true);
	tell(&d, INFLATE, 1, PAGES - 1);
	write32(&d, ACTUAL, PAGES - 2);
	must(read32(&d, ACTUAL) == PAGES - 2);
	tell(&d, DEFLATE, 1, PAGES - 1);
	write32(&d, ACTUAL, 0);
	check(0, 1, true);
	check(1, PAGES - 1, false);
	check(PAGES - 1, PAGES, true);
	ok("balloon: what was given up is empty, and nothing else is");
	fill(PAGES);
	d.queue[REPORT].desc[0] = (struct desc){ (uintptr_t)pages, 4 * MIB, D_WRITE | D_NEXT, 1 };
	d.queue[REPORT].desc[1] = (struct desc){ (uintptr_t)pages + 6 * MIB, 2 * MIB, D_WRITE, 0 };
	queue_do(&d, REPORT, 0);
	check(0, 1024, false);
	check(1024, 1536, true);
	check(1536, PAGES, false);
	fill(PAGES);
	check(0, PAGES, true);
	ok("balloon: free pages that are reported are empty, and good for use");
}
