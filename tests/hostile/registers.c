/* SPDX-License-Identifier: Apache-2.0 */
/* Every offset of every device's page, by every width, read and written; then beside them. */
#include "attack.h"

static void touch(volatile uint8_t *at, uint64_t value, bool all)
{
	uintptr_t p = (uintptr_t)at;

	if (!all) {
		*(volatile uint32_t *)(p & ~3UL) = (uint32_t)value;
		return;
	}
	(void)*(volatile uint8_t *)p;
	*(volatile uint8_t *)p = (uint8_t)value;
	/* Not over the end of the page: that is another access, split by the processor. */
	if (p % 4096 <= 4094) {
		(void)*(volatile uint16_t *)p;
		*(volatile uint16_t *)p = (uint16_t)value;
	}
	if (p % 4096 <= 4092) {
		(void)*(volatile uint32_t *)p;
		*(volatile uint32_t *)p = (uint32_t)value;
	}
	if (p % 4096 <= 4088) {
		(void)*(volatile uint64_t *)p;
		*(volatile uint64_t *)p = value;
	}
}

void guest_main(void)
{
	static struct victims v;
	static const uint64_t values[] = { 0, 0xffffffffffffffffULL, 0x0000000100000001ULL };

	find_victims(&v);
	/* Each access takes its time in a machine that is emulated: densely for one device. */
	for (unsigned i = 0; i < v.n; i++) {
		bool dense = i + 1 == v.n;

		for (unsigned at = 0; at < 0x140; at += dense ? 1 : 4)
			touch(v.device[i].page + at, values[at / 4 % 3], dense);
		for (unsigned at = 0x140; at < 4096; at += 253)
			touch(v.device[i].page + at, values[at % 3], dense);
		touch(v.device[i].page + 4095, 1, true);
	}
	ok("touched all registers");
	/* Pages where nobody answers, and the end of the hole for devices. */
	for (unsigned i = v.n; i < VIRTIO_PAGES + 4; i++)
		touch((volatile uint8_t *)(VIRTIO_FIRST + 4096UL * i), i, true);
	touch((volatile uint8_t *)0xc0000000UL, 1, true);
	touch((volatile uint8_t *)0xfff00000UL, 1, true);
	prove_alive(&v);
	ok("registers");
}
