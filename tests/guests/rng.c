/* SPDX-License-Identifier: Apache-2.0 */
/* Claim: the entropy device gives bytes, other ones each time, and says so by its line. */
#include "virtio.h"

void guest_main(void)
{
	uint8_t *a = take(64, 16), *b = take(64, 16), *none = take(64, 16);
	struct device d;

	must(device_find(&d, ID_RNG, 0));
	must(read32(&d, REG_VERSION) == 2);
	device_start(&d, 0);
	d.queue[0].desc[0] = (struct desc){ (uintptr_t)a, 64, D_WRITE, 0 };
	d.queue[0].desc[1] = (struct desc){ (uintptr_t)b, 64, D_WRITE, 0 };
	must(queue_do(&d, 0, 0) == 64);
	must(queue_do(&d, 0, 1) == 64);
	must(memcmp(a, none, 64) != 0 && memcmp(a, b, 64) != 0);
	must(read32(&d, REG_INTERRUPT) == 1);
	write32(&d, REG_ACK, 1);
	must(read32(&d, REG_INTERRUPT) == 0);
	ok("rng");
}
