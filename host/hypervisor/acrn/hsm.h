/* SPDX-License-Identifier: Apache-2.0 */
/* Is this system the service machine of an ACRN hypervisor? */
#ifndef HOST_HYPERVISOR_ACRN_HSM_H
#define HOST_HYPERVISOR_ACRN_HSM_H

#include "base/err.h"

/* 0, or -ENOTSUP and a sentence. */
int acrn_hsm_check(struct err *err);

#endif
