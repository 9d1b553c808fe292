/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the kernel shows its devices. @sys is the place of sysfs: "/sys", or a
 * tree that a test made. Nothing here waits; device_wait.h does.
 */
#ifndef AGENT_SYSFS_H
#define AGENT_SYSFS_H

#include <stdint.h>

#include "base/err.h"

#define PCI_DEPTH_MAX 32

/*
 * "02/00": the device 00 behind the bridge 02 of the root bus. Each element is
 * a slot in hexadecimal, with ".F" for another function than 0. With three or
 * more elements, a first one of 20 or above is the number of another root bus.
 */
struct pci_path {
	uint8_t root;
	uint8_t slot[PCI_DEPTH_MAX], function[PCI_DEPTH_MAX];
	unsigned depth;
};

/* 0 or -EINVAL, with @text in the message. Pure. */
int pci_path_parse(const char *text, struct pci_path *p, struct err *err);

/*
 * The directory of the device at @p; its last name is the device's address
 * ("0000:01:00.0"). NULL while it, or a bridge on the way, is not there. The
 * caller frees, as of all that follows.
 */
char *sysfs_pci(const char *sys, const struct pci_path *p);

/* The name of the disk ("vda") or of the link ("eth0") of a PCI device's directory, or NULL. */
char *sysfs_disk_of(const char *dir);
char *sysfs_link_of(const char *dir);

/* The name of the disk with the address "ID:LUN" at a virtio SCSI controller, or NULL. */
char *sysfs_scsi_disk(const char *sys, const char *address);

/* Have the SCSI controllers look for the address "ID:LUN". -EINVAL for what is none. */
int sysfs_scsi_scan(const char *sys, const char *address, struct err *err);

#endif
