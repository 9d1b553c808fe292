/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's end of a stand-in (host/standin/protocol.h): a process on the host
 * that stands for a process in the machine. kata-runtime hands it over with
 * Create and Exec, as a descriptor that the metadata "kata-standin: FD-INDEX PID"
 * names; containerd's requests come without.
 *
 * What signals it gets are the process's. When it dies before the process has
 * ended, the process is killed; before kata-runtime released it, undone: then
 * kata-runtime did not get to the end of what it had begun.
 */
#ifndef HOST_SHIM_STANDIN_H
#define HOST_SHIM_STANDIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "ttrpc/ttrpc.h"

struct process;
struct standin;

/*
 * Take the stand-in over that came with @call, if any, into p->standin. Before the
 * other descriptors of the call are taken. 0, or -errno and @err.
 */
int standin_take(struct process *p, struct ttrpc_call *call, struct err *err);

/*
 * Enter it in the sandbox's journal, as soon as there is a sandbox: `delete` ends it
 * when the shim cannot. Nothing happens without one (NULL).
 */
int standin_note(struct standin *st, struct err *err);

/* Its pid, also after its end. 0 without one. */
pid_t standin_pid(const struct standin *st);

/*
 * It died while the process was being made or started: whoever did that is to kill
 * the process, or to undo it.
 */
bool standin_lost(const struct standin *st);

/* The process has ended: so does the stand-in, with @status. Once. */
void standin_end(struct standin *st, uint32_t status);

/* Release; a stand-in that was not ended is lost. NULL is allowed. */
void standin_free(struct standin *st);

#endif
