/* SPDX-License-Identifier: Apache-2.0 */
/* What QEMU is told of a disk, or of memory; pure, for tests. */
#ifndef HOST_HYPERVISOR_QEMU_PLUG_H
#define HOST_HYPERVISOR_QEMU_PLUG_H

#include <json-c/json.h>

#include "host/hypervisor/hypervisor.h"

/* The slots of a bridge that take a device: slot 0 is the bridge's own. */
#define PLUG_BRIDGE_SLOTS 30

/* Logical units of a SCSI ID as Kata counts them, and of all IDs. */
#define PLUG_SCSI_UNITS 256
#define PLUG_SCSI_MAX	(256 * PLUG_SCSI_UNITS)

/* Where the guest finds the disk at @place, a number from 0 on. */
void plug_place(const struct config_hypervisor *h, unsigned place, struct vm_place *at);

/* The arguments of blockdev-add and of device_add. */
struct json_object *plug_node(const struct config_hypervisor *h, const char *node,
			      const struct vm_dev *dev, bool is_device, const char *aio);
struct json_object *plug_device(const struct config_hypervisor *h, const char *node, const char *id,
				unsigned place);

/* Where the guest finds what is at @place behind the bridges. */
void plug_bridge_place(unsigned place, struct vm_place *at);

/*
 * The arguments of netdev_add and of device_add (plug_net.c), and the name under which QEMU
 * has the @i-th descriptor (the caller frees).
 */
struct json_object *plug_netdev(const char *id, size_t queues, bool vhost);
struct json_object *plug_card(const struct config_hypervisor *h, const char *id,
			      const uint8_t mac[VM_MAC_LEN], size_t queues, unsigned place);
char *plug_net_fd(const char *id, bool vhost, size_t i);

/* Those of object-add for @mib MiB of memory that is plugged in (resize.c). */
struct json_object *resize_backend(const struct config_hypervisor *h, bool shared, const char *id,
				   uint64_t mib);

#endif
