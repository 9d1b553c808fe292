/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flood of kicks: of devices that do not run, of queues that do not exist, of queues with
 * nothing in them, and of a queue that another processor never stops filling.
 */
#include "attack.h"

#define KICKS 200

static struct device flooded;
static uint8_t bytes[64];
static bool stop;

/* The same chain again and again, as fast as it comes back and faster. */
static void fill(unsigned cpu)
{
	struct avail *a = flooded.queue[0].avail;

	for (uint16_t idx = 0; cpu == 1 && !__atomic_load_n(&stop, __ATOMIC_RELAXED);) {
		uint16_t used = __atomic_load_n(&flooded.queue[0].used->idx, __ATOMIC_ACQUIRE);

		if ((uint16_t)(idx - used) >= RING_SIZE)
			continue;
		a->ring[idx % RING_SIZE] = idx % RING_SIZE;
		__atomic_store_n(&a->idx, ++idx, __ATOMIC_SEQ_CST);
	}
	for (;;)
		pause_cpu();
}

void guest_main(void)
{
	static struct victims v;
	struct device *d;

	find_victims(&v);
	for (unsigned i = 0; i < v.n; i++) {
		d = &v.device[i];
		for (unsigned n = 0; n < 50; n++)
			write32(d, REG_NOTIFY, n * 0x01010101U);
		device_start(d, ring_features(d));
		for (unsigned n = 0; n < KICKS; n++)
			write32(d, REG_NOTIFY, n % 4);
		device_reset(d);
	}
	ok("kicked for nothing");
	must(device_find(&flooded, ID_RNG, 0));
	device_start(&flooded, 1ULL << FEATURE_EVENT);
	for (uint16_t i = 0; i < RING_SIZE; i++)
		flooded.queue[0].desc[i] = (struct desc){ (uintptr_t)bytes, 64, D_WRITE, 0 };
	must(start_others(fill) >= 1);
	/* The other devices have their turn all the same: they can be reset, which is waited for. */
	for (unsigned n = 0; n < 12; n++) {
		d = &v.device[n % v.n];
		write32(&flooded, REG_NOTIFY, 0);
		if (d->page == flooded.page)
			continue;
		device_start(d, ring_features(d));
		device_reset(d);
	}
	must(flooded.queue[0].used->idx > 0);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	ok("filled a queue without an end");
	prove_alive(&v);
	ok("kicks");
}
