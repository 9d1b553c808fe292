/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel as an ELF file: its segments go where they say, and a note tells at which
 * address it wants to be entered (PVH). Nothing in the file is trusted.
 */
#ifndef VMM_BOOT_ELF_H
#define VMM_BOOT_ELF_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/memory.h"

struct elf_kernel {
	uint32_t entry;	  /* of 32-bit protected mode */
	gpa_t start, end; /* of all that it occupies */
};

/*
 * Load the kernel in @fd into @m, which nobody has written to yet, nowhere below @lowest.
 * 0, or -ENOEXEC (not such a kernel), -ENOSPC (does not fit), -EIO … and @err.
 */
int elf_load(int fd, const struct memory *m, gpa_t lowest, struct elf_kernel *kernel,
	     struct err *err);

#endif
