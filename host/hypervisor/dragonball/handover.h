/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handover: everything that the monitor's machine is made of is opened here, by the
 * trusted side, and goes to the monitor as descriptors. It is in a jail when the guest runs
 * and has no path to anything.
 */
#ifndef HOST_HYPERVISOR_DRAGONBALL_HANDOVER_H
#define HOST_HYPERVISOR_DRAGONBALL_HANDOVER_H

#include "base/err.h"
#include "host/hypervisor/child.h"
#include "host/hypervisor/dragonball/args.h"
#include "host/hypervisor/hypervisor.h"

/* The role of the process, for the journal and for messages. */
#define VMM_PROGRAM "kata-vmm"

/* The monitor's program: what the configuration says, or our own. The caller frees. */
char *dragonball_program(const struct config *config);

/* As hypervisor_ops.check: the keys, and the programs and files that they name. */
int dragonball_check(const struct config *config, struct err *err);

/* Nothing is open yet. @path is borrowed. To be released by handover_free() in any case. */
void handover_init(struct dragonball_facts *f, const struct vm_spec *spec, const char *path);

/* KVM, and the files that @spec names. 0, or -errno and @err, which names the thing. */
int handover_open(struct dragonball_facts *f, const struct vm_spec *spec, struct err *err);

/*
 * The channels: the control connection, of which *@control becomes our end, the console,
 * of which *@console does, and the hybrid vsock's socket, which listens at @socket. What the
 * caller has of these is the caller's to close, also after a failure (-1: none).
 */
int handover_channels(struct dragonball_facts *f, const char *socket, int *control, int *console,
		      struct err *err);

/* Start the monitor with all of it; as child_start(). */
struct child *handover_launch(const struct dragonball_facts *f, struct vm *vm, child_end_cb on_end,
			      void *arg, struct err *err);

/* The monitor has its own copies. */
void handover_free(struct dragonball_facts *f);

#endif
