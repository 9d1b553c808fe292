/* SPDX-License-Identifier: Apache-2.0 */
/* The devices that the command line names, opened, made and plugged into the machine. */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

#include "base/err.h"
#include "vmm/cmdline.h"
#include "vmm/machine.h"

/* In the order in which the guest finds them. 0 or -errno and @err. */
int devices_add(struct machine *m, const struct cmdline *c, struct err *err);

#endif
