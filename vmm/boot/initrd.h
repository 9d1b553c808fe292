/* SPDX-License-Identifier: Apache-2.0 */
/* The initial file system: bytes that the kernel finds in memory. */
#ifndef VMM_BOOT_INITRD_H
#define VMM_BOOT_INITRD_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/memory.h"

struct initrd {
	gpa_t start;
	uint64_t size; /* 0: there is none */
};

/*
 * Load the regular file @fd into @m between @low and @high, as low as possible, so that
 * it shares huge pages with the kernel. -ENOSPC when it does not fit.
 */
int initrd_load(int fd, const struct memory *m, gpa_t low, gpa_t high, struct initrd *initrd,
		struct err *err);

#endif
