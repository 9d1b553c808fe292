/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who answers at which guest address. Filled before the processors run and only read
 * from then on, so no lock is needed; what comes and goes while they run (hot plug)
 * will have to stop them first.
 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/memory.h"

#define BUS_RANGES_MAX 40

struct bus_ops {
	/* @len is 1, 2, 4 or 8; @offset is from the range's start. On a processor's thread. */
	void (*read)(void *arg, uint64_t offset, void *data, uint32_t len);
	void (*write)(void *arg, uint64_t offset, const void *data, uint32_t len);
};

struct bus_range {
	gpa_t start;
	uint64_t size;
	const struct bus_ops *ops;
	void *arg;
};

struct bus {
	unsigned n;
	struct bus_range range[BUS_RANGES_MAX]; /* sorted by start, disjoint */
};

/* -EEXIST when the range meets another, -ENOSPC when there are too many. */
int bus_add(struct bus *b, gpa_t start, uint64_t size, const struct bus_ops *ops, void *arg,
	    struct err *err);

/* Where nobody answers reads are all ones and writes go nowhere, as on a real bus. */
void bus_read(const struct bus *b, gpa_t addr, void *data, uint32_t len);
void bus_write(const struct bus *b, gpa_t addr, const void *data, uint32_t len);

#endif
