/* SPDX-License-Identifier: Apache-2.0 */
/* What the requests of the control socket do to the machine. */
#ifndef VMM_LEAD_H
#define VMM_LEAD_H

#include "base/err.h"
#include "vmm/control.h"
#include "vmm/machine.h"

/*
 * @name as on the command line: a descriptor, or a path to listen on, which is removed in the
 * end by a process that @sweep confines (sweep.h). NULL and @err.
 */
struct control *lead_new(struct machine *m, const char *name, int (*sweep)(struct err *err),
			 struct err *err);

#endif
