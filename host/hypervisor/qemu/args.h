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
#define QEMU_PORT_LOG	"org.kata-c.log.0"

/* The id of the agent's port, as events name it. */
#define QEMU_ID_AGENT "agent"

struct qemu_facts {
	bool kvm; /* run on KVM, else on TCG */
	unsigned host_cpus;
	uint32_t tsc_khz; /* what the guest's time stamp counter will run at; 0: not known */
	int qmp_fd;	  /* connected sockets of QEMU's side */
	int console_fd;
	int log_fd;
	int agent_fd; /* listening socket of the agent's serial port, or -1 with vsock */
	int fs_fd;    /* connection to virtiofsd, or -1: nothing is shared */
	int vsock_fd; /* vhost-vsock device, or -1 */
	uint32_t cid; /* of vsock_fd */
};

/* The keys of @config mean something to these machines: machine_type, memory, image. */
int qemu_args_check(const struct config *config, struct err *err);

/* What machine_accelerators demands: 1 KVM, 0 TCG, -1 nothing. */
int qemu_forced_kvm(const struct config *config);

/* The number of processors of default_vcpus on a host with @host_cpus. */
unsigned qemu_vcpus(const struct config *config, unsigned host_cpus);

/* The argument vector, argv[0] being the configured path. */
void qemu_args(const struct vm_spec *spec, const struct qemu_facts *facts, struct strv *argv);

/* @argv as a line that a shell would split again into the same words. */
void qemu_args_quote(const struct strv *argv, struct str *out);

#endif
