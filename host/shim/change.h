/* SPDX-License-Identifier: Apache-2.0 */
/* A call that changes a process, while the sandbox works on it. */
#ifndef HOST_SHIM_CHANGE_H
#define HOST_SHIM_CHANGE_H

#include "host/shim/process.h"

struct change {
	struct process *p;	 /* a reference */
	struct ttrpc_call *call; /* NULL: nobody is to be answered */
};

struct change *change_new(struct process *p, struct ttrpc_call *call);
void change_free(struct change *c);

#endif
