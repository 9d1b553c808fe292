/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest without a kernel stands on: ports, a few words to the monitor's debug port,
 * other processors, memory that is never given back. A guest is one guest_main(); what it
 * proves it says with ok(), what fails ends it.
 */
#ifndef TESTS_GUESTS_GUEST_H
#define TESTS_GUESTS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_CPUS 8 /* of the stacks in start.S */

/* The guest itself, on the first processor. When it returns, the machine is switched off. */
void guest_main(void);

/* From start.S. */
void guest_start(unsigned cpu);

static inline void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void pause_cpu(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* Text to the debug port; numbers in hexadecimal. */
void say(const char *text);
void say_number(uint64_t n);
/* "ok - @what", a line. */
void ok(const char *what);
/* "not ok - @what", and the machine ends as a panic does. */
_Noreturn void fail(const char *what, uint64_t number);
_Noreturn void power_off(void);

#define must(condition)                             \
	do {                                        \
		if (!(condition))                   \
			fail(#condition, __LINE__); \
	} while (0)

/* Zeroed, aligned to @align (a power of two), identity mapped, from after the program on. */
void *take(size_t bytes, size_t align);

/* Start all other processors with @main; how many began within some time. */
unsigned start_others(void (*main)(unsigned cpu));

void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
