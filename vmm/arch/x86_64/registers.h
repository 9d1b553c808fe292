/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first processor's registers at a PVH entry (Xen docs/misc/pvh.pandoc): 32-bit
 * protected mode, flat segments, no paging, EBX points to the start info. The other
 * processors wait for the first to wake them and need nothing.
 */
#ifndef VMM_ARCH_X86_64_REGISTERS_H
#define VMM_ARCH_X86_64_REGISTERS_H

#include <stdint.h>

#include "base/err.h"

int registers_set_entry(int vcpu_fd, uint32_t entry, uint32_t start_info, struct err *err);

#endif
