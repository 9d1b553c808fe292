/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's command line: pure data from the plan and from what was measured on
 * the host, so that it is tested with data. One builder for all machine types;
 * what differs is the bus: virtio-mmio on microvm, PCI on q35 and pc.
 */
#ifndef HOST_HYPERVISOR_QEMU_ARGS_H
#define HOST_HYPERVISOR_QEMU_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "host/hypervisor/hypervisor.h"

/* Names of the virtio-serial ports in the guest. */
#define QEMU_PORT_AGENT "org.kata-c.agent.0"
#define QEMU_PORT_DEBUG "org.kata-c.console.0"

/* In the run directory: where the debug console is reached, if there is no vsock. */
#define QEMU_DEBUG_SOCKET "debug-console.sock"
#define QEMU_PORT_LOG	  "org.kata-c.log.0"

/* Names of objects and devices, as commands and events have them. */
#define QEMU_ID_AGENT	       "agent"
#define QEMU_ID_SCSI	       "scsi0"
#define QEMU_ID_BRIDGE	       "pci-bridge-" /* and its number */
#define QEMU_ID_VIRTIO_MEM     "virtiomem0"
#define QEMU_ID_IOTHREAD       "iothread0"
#define QEMU_ID_INDEP_IOTHREAD "indep_iothread_" /* and its number */

/* The guest's kernel takes memory in blocks of this many MiB. */
#define QEMU_MEMORY_BLOCK 128

/* The PCI slot of the first bridge; the others follow. */
#define QEMU_BRIDGE_SLOT 2

struct qemu_facts {
	bool kvm;	     /* run on KVM, else on TCG */
	uint32_t tsc_khz;    /* what the guest's time stamp counter will run at; 0: not known */
	uint64_t image_size; /* bytes; 0: no image */
	int qmp_fd;	     /* connected sockets of QEMU's side */
	int console_fd;
	int log_fd;
	int agent_fd;  /* listening socket of the agent's serial port, or -1 with vsock */
	int fs_fd;     /* connection to virtiofsd, or -1: nothing is shared */
	int vsock_fd;  /* vhost-vsock device, or -1 */
	int memory_fd; /* the memory that the guest starts with (huge_file()), or -1 */
	uint32_t cid;  /* of vsock_fd */
};

/*
 * The keys of @config mean something to this driver and to one another; nothing on
 * the host is looked at. -ENOTSUP or -EINVAL and a sentence that names key and reason.
 */
int qemu_keys_check(const struct config *config, struct err *err);

/* The same, and whether the programs and files that it names are there. */
int qemu_check(const struct config *config, struct err *err);

/* What the driver can do with the machine of @config: HV_CAP_*. */
unsigned qemu_keys_caps(const struct config *config);

/* What machine_accelerators demands: 1 KVM, 0 TCG, -1 nothing. */
int qemu_forced_kvm(const struct config *config);

/* The argument vector, argv[0] being the configured path. */
void qemu_args(const struct vm_spec *spec, const struct qemu_facts *facts, struct strv *argv);

/* Whether the machine has room for all devices of that command line: 0 or -ENOSPC. */
int qemu_args_fit(const struct vm_spec *spec, const struct strv *argv, struct err *err);

/* The descriptors of its networks that it names, copied to @fds (may be NULL); how many. */
size_t args_net_fds(const struct vm_spec *spec, int *fds);

/* @argv as a line that a shell would split again into the same words. */
void qemu_args_quote(const struct strv *argv, struct str *out);

#endif
