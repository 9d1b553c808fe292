/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the MultiProcessor Specification 1.4 (1997): processors, one bus, one
 * interrupt controller and its lines, for kernels without ACPI.
 */
#ifndef VMM_ARCH_X86_64_MPTABLE_H
#define VMM_ARCH_X86_64_MPTABLE_H

#include <stddef.h>
#include <sys/types.h>

#include "vmm/memory.h"

/* Write into @buf, which the guest sees at @where. The bytes used, or -ENOSPC. */
ssize_t mptable_write(void *buf, size_t size, gpa_t where, unsigned n_cpus);

#endif
