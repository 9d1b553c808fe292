/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard input of a process: from a port to the sandbox. The next piece is
 * read when the process has taken the one before, so that what it never reads
 * stays with the caller, but for one piece.
 */
#ifndef HOST_SHIM_INFLOW_H
#define HOST_SHIM_INFLOW_H

#include "base/loop.h"
#include "host/sandbox/sandbox.h"
#include "host/shim/port.h"

struct inflow;

/*
 * Make a flow from @port (taken over); a closed one is an empty input. That of a
 * @terminal does not close the process's. Never NULL.
 */
struct inflow *inflow_new(struct loop *loop, struct port *port, bool terminal);

/* Begin to copy to process @exec_id of container @id (both copied). */
void inflow_start(struct inflow *f, struct sandbox *sb, const char *id, const char *exec_id);

/*
 * There will be no more: copy what is in the port now, then close the
 * process's input. Before inflow_start() it takes effect there.
 */
void inflow_finish(struct inflow *f);

/* Stop at once and release. The sandbox may still answer what it was asked. NULL is allowed. */
void inflow_free(struct inflow *f);

#endif
