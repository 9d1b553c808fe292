/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first processor's registers at a PVH entry (Xen docs/misc/pvh.pandoc): 32-bit
 * protected mode, flat segments, no paging, EBX points to the start info. The other
 * processors wait for the first to wake them and need nothing.
 */
#ifndef VMM_ARCH_X86_64_REGISTERS_H
#define VMM_ARCH_X86_64_REGISTERS_H

#include <linux/kvm.h>
#include <stdint.h>

#include "base/err.h"

int registers_set_entry(int vcpu_fd, uint32_t entry, uint32_t start_info, struct err *err);

/*
 * Have a processor begin with all state enabled (XCR0) that @leaves offer, as a kernel
 * does first. CPUID says how large the enabled state is, and an emulated host does not
 * tell KVM when a guest enables some: its kernel would find a size that cannot be.
 */
void registers_enable_state(int vcpu_fd, const struct kvm_cpuid2 *leaves);

#endif
