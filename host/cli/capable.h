/* SPDX-License-Identifier: Apache-2.0 */
/* What this host can do for virtual machines. */
#ifndef HOST_CLI_CAPABLE_H
#define HOST_CLI_CAPABLE_H

#include <stdbool.h>

#include "host/hypervisor/kvm_probe.h"

struct capable {
	struct kvm_probe kvm;
	char *emulator;	  /* the path of QEMU for this processor, or NULL */
	bool vhost_vsock; /* the devices open */
	bool vhost_net;
	bool capable; /* machines can run, by KVM or by emulation */
};

void capable_look(struct capable *host);
void capable_free(struct capable *host);

/* The path of the executable @name on PATH, or NULL. The caller frees. */
char *capable_find_program(const char *name);

#endif
