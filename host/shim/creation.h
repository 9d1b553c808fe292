/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The creation of a task, from the request to the answer: streams, root file
 * system, sandbox (for the first task), container. What fails or is given up
 * leaves nothing, and the ID is free again.
 */
#ifndef HOST_SHIM_CREATION_H
#define HOST_SHIM_CREATION_H

#include "host/shim/shim.h"
#include "proto/task.pb-c.h"

/* The handler of Create. */
void creation_begin(struct shim *s, struct ttrpc_call *call,
		    const Containerd__Task__V2__CreateTaskRequest *req);

/*
 * Give up the creation that boots the sandbox. shim_booted() is called when it
 * is undone.
 */
void creation_abort(struct creation *c);

#endif
