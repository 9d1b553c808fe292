/* SPDX-License-Identifier: Apache-2.0 */
#include "attack.h"

void find_victims(struct victims *v)
{
	v->n = 0;
	for (unsigned i = 0; i < VIRTIO_PAGES; i++) {
		v->kind[v->n] = device_at(&v->device[v->n], i);
		if (v->kind[v->n] != 0)
			v->n++;
	}
	must(v->n > 0);
}

uint64_t ring_features(const struct device *d)
{
	return device_features(d) & (1ULL << FEATURE_INDIRECT | 1ULL << FEATURE_EVENT);
}

static void prove_rng(struct device *d)
{
	static uint8_t bytes[64], none[64];

	d->queue[0].desc[0] = (struct desc){ (uintptr_t)bytes, 64, D_WRITE, 0 };
	must(queue_do(d, 0, 0) == 64);
	must(memcmp(bytes, none, 64) != 0);
	memset(bytes, 0, 64);
}

void prove_alive(struct victims *v)
{
	bool proven = false;

	for (unsigned i = 0; i < v->n; i++) {
		struct device *d = &v->device[i];

		device_reset(d);
		device_start(d, ring_features(d));
		if (v->kind[i] == ID_RNG) {
			prove_rng(d);
			proven = true;
		}
		must(!(read32(d, REG_STATUS) & STATUS_NEEDS_RESET));
		device_reset(d);
	}
	must(proven);
}
