/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest's processors say of themselves: all that the host's KVM can give, and
 * over it one socket of as many cores as there are, no thread siblings, and clocks that
 * need no calibration. Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
 */
#ifndef VMM_ARCH_X86_64_CPUID_H
#define VMM_ARCH_X86_64_CPUID_H

#include <linux/kvm.h>

#include "base/err.h"

#define CPUID_ENTRIES_MAX 256 /* KVM takes no more */

/* The leaves of processor @cpu of @n_cpus, from what KVM supports, in place. */
void cpuid_adjust(struct kvm_cpuid2 *leaves, unsigned cpu, unsigned n_cpus);

/*
 * What the KVM behind @kvm_fd supports; to be freed by the caller, with room for
 * CPUID_ENTRIES_MAX entries. NULL and @err.
 */
struct kvm_cpuid2 *cpuid_supported(int kvm_fd, struct err *err);

#endif
