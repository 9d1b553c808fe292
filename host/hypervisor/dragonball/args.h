/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's command line: pure data from the plan and from what was opened for it,
 * so that it is tested with data. All files and sockets are descriptors; the monitor
 * finds nothing by a path.
 */
#ifndef HOST_HYPERVISOR_DRAGONBALL_ARGS_H
#define HOST_HYPERVISOR_DRAGONBALL_ARGS_H

#include "base/err.h"
#include "base/str.h"
#include "host/hypervisor/hypervisor.h"

/* Descriptors of the monitor's side; -1: it has none of it. */
struct dragonball_facts {
	const char *path; /* of the program */
	int kvm_fd;
	int kernel_fd;
	int initrd_fd;
	int image_fd;
	int control_fd;
	int console_fd;
	int vsock_fd;  /* a listening socket */
	int fs_fd;     /* a connection to virtiofsd */
	int *disk_fds; /* of spec->disks, of which there are n_disks */
	size_t n_disks;
};

/*
 * The keys of @config mean something to this driver and to one another; nothing on the
 * host is looked at. -ENOTSUP or -EINVAL and a sentence that names key and reason.
 */
int dragonball_keys_check(const struct config *config, struct err *err);

/* What the driver can do with the machine of @config: HV_CAP_*. */
unsigned dragonball_keys_caps(const struct config *config);

/* Whether directories of the host are to be shared. */
bool dragonball_shares(const struct config *config);

/* The argument vector. */
void dragonball_args(const struct vm_spec *spec, const struct dragonball_facts *facts,
		     struct strv *argv);

/* Where the guest finds spec->disks[@i]. */
void dragonball_place(const struct vm_spec *spec, size_t i, struct vm_place *place);

#endif
