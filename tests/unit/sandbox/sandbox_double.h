/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox that has just begun to run, and an agent that answers what the test likes. */
#ifndef TEST_SANDBOX_SANDBOX_DOUBLE_H
#define TEST_SANDBOX_SANDBOX_DOUBLE_H

#include "host/sandbox/core.h"
#include "ttrpc/ttrpc.h"

struct sandbox_double {
	struct sandbox sb; /* running, without machine, network and containers */
	struct sandbox_state st;
	struct ttrpc_server *server; /* the agent */
};

/* @d is zero. @methods end with a NULL name; @ctx is theirs. */
void sandbox_double_begin(struct sandbox_double *d, const struct ttrpc_method *methods, void *ctx);

/* The connection goes and the phase is over; then, when the test's own parts are gone, the rest. */
void sandbox_double_hang_up(struct sandbox_double *d);
void sandbox_double_end(struct sandbox_double *d);

/* Ten turns of the loop, of at most @ms each. */
void sandbox_double_settle(struct sandbox_double *d, int ms);

void reply_empty(struct ttrpc_call *call);

#endif
