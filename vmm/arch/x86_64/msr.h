/* SPDX-License-Identifier: Apache-2.0 */
/* Model-specific registers that firmware would have set. */
#ifndef VMM_ARCH_X86_64_MSR_H
#define VMM_ARCH_X86_64_MSR_H

#include "base/err.h"

int msr_init(int vcpu_fd, struct err *err);

#endif
