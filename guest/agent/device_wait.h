/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that may be on their way: each call waits for one, at most
 * agent.hotplug_timeout, and its error names the device (-ETIMEDOUT). They
 * block: for jobs. What they find is the caller's to free.
 */
#ifndef AGENT_DEVICE_WAIT_H
#define AGENT_DEVICE_WAIT_H

#include "base/err.h"

/* The limit in milliseconds; set once, by main(). */
extern int device_wait_ms;

/* The node ("/dev/vdb") of the disk at a PCI path, at a SCSI address "ID:LUN". */
int device_wait_pci_disk(const char *path, char **node, struct err *err);
int device_wait_scsi_disk(const char *address, char **node, struct err *err);

/* Until the block device @node, a path below /dev, is there. */
int device_wait_node(const char *node, struct err *err);

/* The directory in sysfs of the device at a PCI path. */
int device_wait_pci(const char *path, char **dir, struct err *err);

/* Until there is something at @path at all. */
int device_wait_path(const char *path, struct err *err);

#endif
