/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt lines: pins of the interrupt controller, given out once each. Nothing is
 * shared: a device knows that an edge on its line is its own.
 */
#ifndef VMM_IRQ_H
#define VMM_IRQ_H

#include <stdint.h>

#include "base/err.h"

struct irq_lines {
	uint32_t next, end;
};

/* The next free line, or -ENOSPC: no room for another device. */
int irq_take(struct irq_lines *lines, struct err *err);

#endif
