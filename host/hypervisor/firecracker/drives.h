/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drives of a running machine: it has those that it has, and plugging a disk in means
 * to put it behind one that waits (PATCH /drives/ID), unplugging to put the empty file there
 * again. Whether the machine rests is told in the same way (PATCH /vm).
 */
#ifndef HOST_HYPERVISOR_FIRECRACKER_DRIVES_H
#define HOST_HYPERVISOR_FIRECRACKER_DRIVES_H

#include "base/list.h"
#include "host/hypervisor/firecracker/body.h"
#include "host/hypervisor/http.h"
#include "host/hypervisor/hypervisor.h"

/* How long an answer may take. */
#define FC_PATCH_MS 5000

struct fc_drives {
	struct vm *vm;
	struct http **http;	 /* the driver's; NULL: the machine is not there */
	const char *root;	 /* its directory, on the host */
	char *disks[FC_DRIVES];	 /* whose it is: the device's ID; NULL: it waits */
	bool leaving[FC_DRIVES]; /* its disk is on its way out */
	struct list jobs;	 /* struct job, drives.c */
	bool rests;		 /* paused */
};

/* @root is borrowed. */
void fc_drives_init(struct fc_drives *d, struct vm *vm, struct http **http, const char *root);

/* As the operations of the driver. */
void fc_drives_plug(struct fc_drives *d, const struct vm_dev *dev, vm_plug_done done, void *arg);
void fc_drives_unplug(struct fc_drives *d, const char *id, vm_done done, void *arg);
void fc_drives_rest(struct fc_drives *d, bool rest, vm_done done, void *arg);

/* Release everything without any callback; after http_free(). */
void fc_drives_free(struct fc_drives *d);

#endif
