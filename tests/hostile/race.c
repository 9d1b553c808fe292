/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that another processor changes while a device reads them: between memory and
 * none, short and endless, a table and none. Whatever a device sees is all that it uses.
 */
#include "attack.h"

#define ROUNDS 5

static struct desc *volatile target;
static uint8_t bytes[4096] __attribute__((aligned(16)));

static void change(unsigned cpu)
{
	for (uint32_t i = cpu;; i++) {
		struct desc *d = target;

		if (!d)
			continue;
		__atomic_store_n(&d->addr, i & 1 ? (uintptr_t)bytes : 0xffffffffffffff00ULL,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&d->len, i & 2 ? 64 : 0xfffffff0, __ATOMIC_RELAXED);
		__atomic_store_n(&d->flags, i >> 2 & 7, __ATOMIC_RELAXED);
		__atomic_store_n(&d->next, i >> 3, __ATOMIC_RELAXED);
	}
}

void guest_main(void)
{
	static struct victims v;

	find_victims(&v);
	must(start_others(change) >= 1);
	for (unsigned i = 0; i < v.n; i++) {
		struct device *d = &v.device[i];

		for (unsigned n = 0; n < ROUNDS; n++) {
			device_start(d, ring_features(d));
			for (unsigned queue = 0; queue < 4 && d->queue[queue].there; queue++) {
				target = d->queue[queue].desc;
				for (uint16_t k = 0; k < 8; k++)
					queue_offer(d, queue, k % 2);
			}
			target = NULL;
			device_reset(d);
		}
	}
	ok("changed descriptors under their readers");
	prove_alive(&v);
	ok("race");
}
