/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/x86_64/ports.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "vmm/arch/x86_64/acpi.h"
#include "vmm/arch/x86_64/layout.h"

#define PORT_KEYBOARD	   0x64
#define KEYBOARD_RESET	   0xfe
#define KEYBOARD_STATUS	   0xfd /* all ones but "still reading what you wrote" */
#define PORT_MARK	   0x80
#define PORT_DEBUG	   0x3f8
#define PORT_DEBUG_STATUS  (PORT_DEBUG + 5)
#define DEBUG_ALWAYS_READY 0x60 /* 16550: line status, transmitter empty */
#define PANIC_HAPPENED	   0x01

void ports_read(struct ports *p, uint16_t port, void *data, uint32_t len)
{
	uint8_t value = 0xff;

	memset(data, 0xff, len);
	if (port == LAYOUT_PORT_PANIC)
		value = PANIC_HAPPENED;
	else if (port == PORT_KEYBOARD)
		value = KEYBOARD_STATUS;
	else if (port == LAYOUT_PORT_SLEEP_CONTROL || port == LAYOUT_PORT_SLEEP_STATUS)
		value = 0;
	else if (p->debug && port >= PORT_DEBUG && port < PORT_DEBUG + 8)
		/* Registers that forget what is written: no driver takes this for its device. */
		value = port == PORT_DEBUG_STATUS ? DEBUG_ALWAYS_READY : 0;
	memcpy(data, &value, 1);
}

static void debug_byte(struct ports *p, char c)
{
	/* Processors write at the same time: without it the line would outgrow its room. */
	pthread_mutex_lock(&p->lock);
	p->line[p->line_len++] = c;
	if (c == '\n' || p->line_len == sizeof(p->line)) {
		log_bytes(p->line, p->line_len);
		p->line_len = 0;
	}
	pthread_mutex_unlock(&p->lock);
}

static void mark(const struct ports *p, unsigned value)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	log_info("mark %#x after %lld us", value,
		 (long long)(now.tv_sec * 1000000LL + now.tv_nsec / 1000 - p->epoch_us));
}

enum ending_word ports_write(struct ports *p, uint16_t port, const void *data, uint32_t len)
{
	uint8_t value;

	(void)len;
	memcpy(&value, data, 1);
	switch (port) {
	case PORT_KEYBOARD:
		return value == KEYBOARD_RESET ? ENDING_RESET : ENDING_NONE;
	case LAYOUT_PORT_PANIC:
		/* A guest that will dump its memory first tells so, and ends by itself. */
		return value & PANIC_HAPPENED ? ENDING_PANIC : ENDING_NONE;
	case LAYOUT_PORT_SLEEP_CONTROL:
		return value == ACPI_SLEEP_OFF ? ENDING_POWEROFF : ENDING_NONE;
	case LAYOUT_PORT_RESET:
		return value == ACPI_RESET_VALUE ? ENDING_RESET : ENDING_NONE;
	case PORT_MARK:
		if (p->debug)
			mark(p, value);
		return ENDING_NONE;
	case PORT_DEBUG:
		if (p->debug)
			debug_byte(p, (char)value);
		return ENDING_NONE;
	default:
		return ENDING_NONE;
	}
}
