/* SPDX-License-Identifier: Apache-2.0 */
/* Every I/O port, but for the few words by which a guest ends; by strings as well. */
#include "attack.h"

static bool ends(unsigned port)
{
	return port == 0x64 || port == 0x505 || (port >= 0x600 && port <= 0x602) || port == 0x3f8 ||
	       port == 0x80;
}

static void strings(uint16_t port)
{
	static uint8_t bytes[4096];
	uint64_t n = sizeof(bytes);
	void *at = bytes;

	__asm__ volatile("rep insb" : "+D"(at), "+c"(n) : "d"(port) : "memory");
	n = sizeof(bytes) / 4;
	at = bytes;
	__asm__ volatile("rep insl" : "+D"(at), "+c"(n) : "d"(port) : "memory");
	memset(bytes, 0, sizeof(bytes));
	n = sizeof(bytes) / 2;
	at = bytes;
	__asm__ volatile("rep outsw" : "+S"(at), "+c"(n) : "d"(port) : "memory");
}

void guest_main(void)
{
	static struct victims v;

	find_victims(&v);
	/* All of them four at a time, and those that have names on a PC by all widths. */
	for (unsigned port = 0; port < 0x10000; port += 4)
		in32((uint16_t)port);
	for (unsigned port = 0; port < 0x10000; port += port < 0x200 ? 1 : 257) {
		if (ends(port) || ends(port + 1) || ends(port + 2) || ends(port + 3))
			continue;
		in8((uint16_t)port);
		out8((uint16_t)port, 0x55);
		out16((uint16_t)port, 0xffff);
		out32((uint16_t)port, 0xffffffff);
	}
	ok("touched all ports");
	strings(0x60);
	strings(0x3fd);
	strings(0x505);
	strings(0xffff);
	prove_alive(&v);
	ok("ports");
}
