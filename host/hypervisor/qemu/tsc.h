/* SPDX-License-Identifier: Apache-2.0 */
/* The frequency of this host's time stamp counter, which a TCG guest sees as its own. */
#ifndef HOST_HYPERVISOR_QEMU_TSC_H
#define HOST_HYPERVISOR_QEMU_TSC_H

#include <stdint.h>

/* Measured within 2 ms, in kHz; 0 on processors without one. */
uint32_t tsc_khz(void);

#endif
