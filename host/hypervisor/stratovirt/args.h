/* SPDX-License-Identifier: Apache-2.0 */
/*
 * StratoVirt's command line (docs/config_guidebook.md of StratoVirt) and the arguments of its
 * QMP commands (docs/qmp.md): pure data, so that they are tested with data. The machine is
 * microvm: no PCI, no ACPI, every device at an address of its own.
 */
#ifndef HOST_HYPERVISOR_STRATOVIRT_ARGS_H
#define HOST_HYPERVISOR_STRATOVIRT_ARGS_H

#include <json-c/json.h>

#include "base/err.h"
#include "base/str.h"
#include "host/hypervisor/hypervisor.h"

/* Places for disks, the root image's included: they are in the machine from the start. */
#define STRATOVIRT_DISKS 4
/* The same for networks. */
#define STRATOVIRT_NETS 2

/* In the run directory. */
#define STRATOVIRT_QMP_SOCKET "qmp.sock"
#define STRATOVIRT_FS_SOCKET  "virtiofsd.sock"
#define STRATOVIRT_KERNEL     "kernel"

struct stratovirt_facts {
	uint32_t cid; /* of vsock_fd, a vhost-vsock device */
	int vsock_fd;
	bool share;	    /* virtiofsd listens on STRATOVIRT_FS_SOCKET */
	const char *kernel; /* instead of the configuration's, see flat.h; NULL: that one */
};

/*
 * The keys of @config mean something to this driver; nothing on the host is looked at.
 * -ENOTSUP or -EINVAL and a sentence that names key and reason.
 */
int stratovirt_keys_check(const struct config *config, struct err *err);

/* What the driver can do with the machine of @config: HV_CAP_*. */
unsigned stratovirt_keys_caps(const struct config *config);

/*
 * Whether @spec has a machine of this kind: its numbers of disks and networks, and paths
 * that can be written into an option. 0, -ENOSPC, -ENAMETOOLONG or -EINVAL.
 */
int stratovirt_spec_check(const struct vm_spec *spec, struct err *err);

/* The argument vector. Its standard output is the guest's console. */
void stratovirt_args(const struct vm_spec *spec, const struct stratovirt_facts *facts,
		     struct strv *argv);

/* The place of spec->disks[@i], and how the guest calls that: "/dev/vdb". */
unsigned stratovirt_slot(const struct vm_spec *spec, size_t i);
void stratovirt_place(unsigned slot, struct vm_place *place);

/* The arguments of blockdev-add and of device_add for a disk at @slot; both have one name. */
struct json_object *stratovirt_node(const struct config_hypervisor *h, const struct vm_dev *dev,
				    bool is_device);
struct json_object *stratovirt_device(const char *id, unsigned slot);

#endif
