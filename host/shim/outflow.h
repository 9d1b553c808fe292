/* SPDX-License-Identifier: Apache-2.0 */
/* Standard output or error of a process: from the sandbox to a port. */
#ifndef HOST_SHIM_OUTFLOW_H
#define HOST_SHIM_OUTFLOW_H

#include <stdbool.h>

#include "base/loop.h"
#include "host/sandbox/sandbox.h"
#include "host/shim/port.h"

struct outflow;

/* Told of every change: bytes came or went, or the end was reached. */
typedef void (*outflow_cb)(void *arg);

/*
 * Make a flow into @port (taken over). What the process writes when there is
 * no port is read and dropped, so that the process is not held; when nobody
 * reads from the port any more, the process finds its own pipe broken: `yes`
 * ends with the `head` behind it. Never NULL.
 */
struct outflow *outflow_new(struct loop *loop, struct port *port, bool is_stderr, outflow_cb cb,
			    void *arg);

/* Begin to copy what process @exec_id of container @id (both copied) writes. */
void outflow_start(struct outflow *f, struct sandbox *sb, const char *id, const char *exec_id);

/* Everything that the process wrote was written; the port is closed. Or it was never started. */
bool outflow_ended(const struct outflow *f);

/* The port, which was handed over, takes no more for now: its reader rests. */
bool outflow_held(const struct outflow *f);

/* The size of the terminal that the port is; false when it is none. */
bool outflow_size(const struct outflow *f, uint32_t *width, uint32_t *height);

/* Close the port: from now on what the process writes is dropped. */
void outflow_drop(struct outflow *f);

/* Stop at once and release. The sandbox may still answer what it was asked. NULL is allowed. */
void outflow_free(struct outflow *f);

#endif
