/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network card of the host that a machine gets as a whole: its PCI device leaves the
 * driver that it has and goes to vfio-pci, and comes back in the end. Where it is found,
 * and all that is done to it, is in sysfs; @sysfs is "/sys", but for tests.
 */
#ifndef HOST_NETWORK_PHYSICAL_H
#define HOST_NETWORK_PHYSICAL_H

#include <stdbool.h>

#include "base/err.h"

#define PHYSICAL_ADDRESS_MAX 16 /* "0000:03:00.0" */
#define PHYSICAL_DRIVER_MAX  64

struct physical {
	char address[PHYSICAL_ADDRESS_MAX];
	char driver[PHYSICAL_DRIVER_MAX]; /* that it has now */
};

/*
 * The PCI device behind the device @name of the bus @bus ("pci", "virtio"), as a link of
 * the kernel names them. -ENOTSUP and why it cannot be given away: it is none of PCI, no
 * IOMMU guards the host from it, or others would have to go with it.
 */
int physical_find(const char *sysfs, const char *bus, const char *name, struct physical *p,
		  struct err *err);

/*
 * Take it from its driver; its interface is gone then. What fails is undone. Write
 * physical_entry() into the journal before.
 */
int physical_take(const char *sysfs, const struct physical *p, struct err *err);

/* Back to the driver that it had. What has gone from the host is no error. */
int physical_give_back(const char *sysfs, const struct physical *p, struct err *err);

/* Of a journal. The caller frees. */
char *physical_entry(const struct physical *p);
bool physical_parse(const char *entry, struct physical *p);

#endif
