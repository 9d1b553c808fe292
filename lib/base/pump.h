/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from one descriptor to another, one way: a process's output and who has
 * connected for it, half of a connection. A slow reader stops the writer; what is
 * held is bounded.
 */
#ifndef BASE_PUMP_H
#define BASE_PUMP_H

#include <stdbool.h>

#include "base/loop.h"

/* See pump_exited(). */
#define PUMP_SILENCE_MS 500

struct pump;

/*
 * Carry what @from gives to @to until @from ends or @to takes no more; both are
 * owned from now on, and made non-blocking. @to -1 throws it all away, and with
 * @drain a @to that takes no more becomes such. @done is told the end; the pump is
 * gone then. It is not called from here.
 */
struct pump *pump_start(struct loop *loop, int from, int to, bool drain, void (*done)(void *arg),
			void *arg);

/* The process at @from has ended, and others may hold it open: it ends when it was silent for
 * PUMP_SILENCE_MS and all that it has is delivered. NULL is allowed. */
void pump_exited(struct pump *p);

/* Nothing more is wanted of @from: end behind what was read of it and what it has at hand. NULL
 * is allowed; may tell the end at once. */
void pump_finish(struct pump *p);

/* Close both ends, tell nobody. *@p becomes NULL; NULL in it is allowed. */
void pump_stop(struct pump **p);

#endif
