/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I/O ports: the few by which a guest ends, and in debug the first words of a kernel.
 * No keyboard, no clock, no serial port: whoever looks finds all ones there.
 *
 *	0x64	0xfe written: reset, the way of keyboard controllers. Read: 0xfd, for a
 *		Linux asked to reset that way waits up to 65536 reads for bit 1 to fall;
 *		bit 0, set for ever, tells who looks for a keyboard that there is none
 *	0x505	bit 0 written: the kernel panicked (pvpanic, QEMU's docs/specs)
 *	0x600	ACPI sleep control, 0x601 its status, 0x602 reset register
 *	0x80	debug: marks a moment, which the log tells in microseconds
 *	0x3f8	debug: what is written comes out; enough for earlyprintk=ttyS0
 */
#ifndef VMM_ARCH_X86_64_PORTS_H
#define VMM_ARCH_X86_64_PORTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/ending.h"

#define PORTS_LINE_MAX 256

struct ports {
	bool debug;
	int64_t epoch_us; /* of marks: CLOCK_MONOTONIC */

	/* What came out of the debug port and is no whole line yet: of all processors. */
	pthread_mutex_t lock;
	char line[PORTS_LINE_MAX];
	unsigned line_len;
};

/*
 * An access of a processor, on its thread, @len 1, 2 or 4. The word says how the guest
 * ended, if it did.
 */
void ports_read(struct ports *p, uint16_t port, void *data, uint32_t len);
enum ending_word ports_write(struct ports *p, uint16_t port, const void *data, uint32_t len);

#endif
