/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/qemu/tsc.h"

#if defined(__x86_64__)

#include <time.h>
#include <x86intrin.h>

/* Long enough for 50 ppm: an end is known to some 25 ns. */
#define SPAN_NS 2000000

struct moment {
	uint64_t tsc, ns;
};

/* Read both clocks; of some tries the one in which they are nearest counts. */
static struct moment now(void)
{
	struct moment best = { 0, 0 };
	uint64_t window = UINT64_MAX;

	for (int i = 0; i < 8; i++) {
		struct timespec ts;
		uint64_t before = __rdtsc(), after;

		clock_gettime(CLOCK_MONOTONIC, &ts);
		after = __rdtsc();
		if (after - before < window) {
			window = after - before;
			best.tsc = before + window / 2;
			best.ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
		}
	}
	return best;
}

uint32_t tsc_khz(void)
{
	struct moment a = now(), b;
	uint64_t khz;

	do {
		b = now();
	} while (b.ns - a.ns < SPAN_NS);
	khz = (b.tsc - a.tsc) * 1000000 / (b.ns - a.ns);
	return khz <= UINT32_MAX ? (uint32_t)khz : 0;
}

#else

uint32_t tsc_khz(void)
{
	return 0;
}

#endif
