/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the MultiProcessor Specification 1.4 (1997): processors, one bus, one
 * interrupt controller and its lines, for kernels without ACPI and those that look for it
 * before they know that they have ACPI.
 */
#ifndef VMM_ARCH_X86_64_MPTABLE_H
#define VMM_ARCH_X86_64_MPTABLE_H

#include <stddef.h>
#include <sys/types.h>

#include "vmm/memory.h"

/*
 * Write the pointer (at LAYOUT_MP_POINTER) and the table (at LAYOUT_MPTABLE) into the first
 * @size bytes of the guest's memory, @low. Where the table ends, or -ENOSPC.
 */
ssize_t mptable_write(void *low, size_t size, unsigned n_cpus);

#endif
