/* SPDX-License-Identifier: Apache-2.0 */
/* Signals to processes, and what is to become of a process that nobody stands for. */
#ifndef HOST_SHIM_KILL_H
#define HOST_SHIM_KILL_H

#include <stdbool.h>
#include <stdint.h>

#include "host/shim/process.h"

/*
 * Send @signo to @p, or with @all to all of its container, and answer @call unless
 * it is NULL. A created process, which cannot get signals, ends by those
 * that end; a container that is created has no use for others, and takes them.
 */
void kill_process(struct process *p, uint32_t signo, bool all, struct ttrpc_call *call);

/*
 * The stand-in of @p has died. With @keep the process is killed, and stays to be
 * deleted; without, it is removed with its container.
 */
void kill_abandoned(struct process *p, bool keep);

/* Nobody is left who would delete it: remove it with its container, unless that is under way. */
void kill_forgotten(struct process *p);

#endif
