/* SPDX-License-Identifier: Apache-2.0 */
/* All processors start, kick, read and reset the same devices at once, also in their work. */
#include "attack.h"

#define ROUNDS 5

static struct victims v;
static unsigned done;

static void storm(unsigned cpu)
{
	static uint8_t data[GUEST_CPUS + 1][4096];
	struct desc *rings = take(3 * 4096, 4096);

	for (unsigned n = 0; n < ROUNDS; n++) {
		for (unsigned i = 0; i < v.n; i++) {
			const struct device *d = &v.device[i];

			rings[0] = (struct desc){ (uintptr_t)data[cpu], 4096, D_WRITE, 0 };
			write32(d, REG_STATUS, 3);
			write32(d, REG_ACCEPT_SEL, 1);
			write32(d, REG_ACCEPT, 1);
			write32(d, REG_STATUS, STATUS_FEATURES_OK);
			write32(d, REG_QUEUE, n % 2);
			write32(d, REG_QUEUE_SIZE, RING_SIZE);
			write32(d, REG_DESC, (uint32_t)(uintptr_t)rings);
			write32(d, REG_AVAIL, (uint32_t)(uintptr_t)rings + 4096);
			write32(d, REG_USED, (uint32_t)(uintptr_t)rings + 8192);
			write32(d, REG_QUEUE_READY, 1);
			write32(d, REG_STATUS, STATUS_DRIVER_OK);
			((volatile struct avail *)(rings + 256))->idx++;
			write32(d, REG_NOTIFY, n % 2);
			(void)read32(d, REG_INTERRUPT);
			write32(d, REG_ACK, 3);
			write32(d, REG_STATUS, 0);
		}
	}
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
}

static void other(unsigned cpu)
{
	storm(cpu);
	for (;;)
		pause_cpu();
}

void guest_main(void)
{
	unsigned others;

	find_victims(&v);
	others = start_others(other);
	must(others >= 1);
	storm(0);
	while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < others + 1)
		pause_cpu();
	ok("reset all devices from all processors");
	prove_alive(&v);
	ok("resets");
}
