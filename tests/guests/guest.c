/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#define PORT_DEBUG    0x3f8
#define PORT_PANIC    0x505
#define PORT_KEYBOARD 0x64
#define RESET	      0xfe
#define PORT_SLEEP    0x600
#define SLEEP_OFF     0x34
#define LOCAL_APIC    0xfee00000UL
#define COMMAND	      0x300
#define INIT_OTHERS   0x000c4500U /* all but itself, level asserted */
#define STARTUP	      0x000c4608U /* at 0x8000 */
#define TRAMPOLINE    0x8000UL
#define WAIT_ROUNDS   1000000U

extern uint8_t trampoline[], trampoline_end[], guest_end[];

static uintptr_t next; /* free from here on */
static void (*others_main)(unsigned cpu);
static unsigned others_begun;

void *memset(void *to, int c, size_t n)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(c) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (size_t i = 0; i < n; i++) {
		if (p[i] != q[i])
			return p[i] - q[i];
	}
	return 0;
}

void say(const char *text)
{
	while (*text)
		out8(PORT_DEBUG, (uint8_t)*text++);
}

void say_number(uint64_t n)
{
	char digits[17], *p = digits + 16;

	*p = 0;
	do {
		*--p = "0123456789abcdef"[n % 16];
		n /= 16;
	} while (n > 0);
	say("0x");
	say(p);
}

void ok(const char *what)
{
	say("ok - ");
	say(what);
	say("\n");
}

void fail(const char *what, uint64_t number)
{
	say("not ok - ");
	say(what);
	say(" ");
	say_number(number);
	say("\n");
	out8(PORT_PANIC, 1);
	out8(PORT_KEYBOARD, RESET); /* a monitor without a port for panics */
	for (;;)
		__asm__ volatile("hlt");
}

void power_off(void)
{
	out8(PORT_SLEEP, SLEEP_OFF);
	for (;;)
		__asm__ volatile("hlt");
}

void *take(size_t bytes, size_t align)
{
	uintptr_t was, at;

	/* Several processors may ask at once. */
	do {
		was = __atomic_load_n(&next, __ATOMIC_RELAXED);
		at = (was + align - 1) & ~(align - 1);
	} while (!__sync_bool_compare_and_swap(&next, was, at + bytes));
	return memset((void *)at, 0, bytes);
}

void guest_start(unsigned cpu)
{
	if (cpu == 0) {
		next = (uintptr_t)guest_end;
		guest_main();
		power_off();
	}
	__atomic_fetch_add(&others_begun, 1, __ATOMIC_SEQ_CST);
	others_main(cpu);
}

unsigned start_others(void (*main)(unsigned cpu))
{
	volatile uint32_t *command = (volatile uint32_t *)(LOCAL_APIC + COMMAND);
	unsigned begun = 0;

	others_main = main;
	memcpy((void *)TRAMPOLINE, trampoline, (size_t)(trampoline_end - trampoline));
	*command = INIT_OTHERS;
	for (unsigned i = 0; i < 100000; i++)
		pause_cpu();
	*command = STARTUP;
	/* They are all there when for some time no more have come. */
	for (unsigned quiet = 0; quiet < WAIT_ROUNDS; quiet++) {
		unsigned now = __atomic_load_n(&others_begun, __ATOMIC_SEQ_CST);

		if (now != begun)
			quiet = 0;
		begun = now;
		pause_cpu();
	}
	return begun;
}
