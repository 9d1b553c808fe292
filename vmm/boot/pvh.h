/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PVH boot protocol (Xen public/arch-x86/hvm/start_info.h): one structure in guest
 * memory, whose address is in EBX at the entry, names the command line, the initrd, the
 * memory map and the ACPI tables.
 */
#ifndef VMM_BOOT_PVH_H
#define VMM_BOOT_PVH_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/boot/initrd.h"
#include "vmm/memory.h"

#define PVH_RANGES_MAX 8

enum pvh_type { PVH_RAM = 1, PVH_RESERVED = 2, PVH_ACPI = 3 };

struct pvh_range {
	gpa_t start;
	uint64_t size;
	enum pvh_type type;
};

struct pvh {
	/* Where to put things. */
	gpa_t start_info; /* with the list of modules behind it */
	gpa_t memory_map;
	gpa_t cmdline;
	/* What to put there. */
	const char *line;
	struct initrd initrd;
	gpa_t rsdp; /* 0: no ACPI */
	unsigned n_ranges;
	struct pvh_range range[PVH_RANGES_MAX];
};

int pvh_write(const struct pvh *p, const struct memory *m, struct err *err);

#endif
