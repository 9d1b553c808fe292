/* SPDX-License-Identifier: Apache-2.0 */
/* The devices of a CreateContainer: awaited, taken into use, written into its specification. */
#ifndef AGENT_DEVICE_FIND_H
#define AGENT_DEVICE_FIND_H

#include "guest/agent/device_spec.h"
#include "guest/agent/job.h"

/* The types that this agent knows, NULL-terminated. */
extern const char *const device_types[];

/*
 * Find the @n devices, which may be on their way, in a job, then change @spec
 * by device_spec_apply() and call @done from the loop. @devices and @spec live
 * until then.
 */
void devices_find(struct loop *loop, Grpc__Device *const *devices, size_t n, Grpc__Spec *spec,
		  job_cb done, void *arg);

/*
 * Give the PCI device @address to vfio-pci and tell its IOMMU group. -ENODEV
 * when it has none. @sys is the place of sysfs.
 */
int vfio_take(const char *sys, const char *address, int *group, struct err *err);

#endif
