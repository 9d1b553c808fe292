/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers that are built in; for the registry alone. */
#ifndef HOST_HYPERVISOR_DRIVERS_H
#define HOST_HYPERVISOR_DRIVERS_H

#include "host/hypervisor/hypervisor.h"

extern const struct hypervisor_ops hypervisor_qemu;	   /* qemu/qemu.c */
extern const struct hypervisor_ops hypervisor_dragonball;  /* dragonball/dragonball.c */
extern const struct hypervisor_ops hypervisor_clh;	   /* clh/clh.c */
extern const struct hypervisor_ops hypervisor_firecracker; /* firecracker/firecracker.c */
extern const struct hypervisor_ops hypervisor_stratovirt;  /* stratovirt/stratovirt.c */
extern const struct hypervisor_ops hypervisor_acrn;	   /* acrn/acrn.c */
extern const struct hypervisor_ops hypervisor_fake;	   /* fake/fake.c */

#endif
