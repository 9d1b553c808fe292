/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of the host to the guest's loopback: an engine that forwards a port
 * enters the pod's network namespace on the host and connects there to localhost,
 * where nobody is, because the pod's processes are here.
 *
 * Each has one call that reads and one that writes, at most. Who hangs up in the
 * middle of a call closes the connection; one that nobody asks for any more is closed
 * when its place is needed.
 */
#ifndef AGENT_LOOPBACK_H
#define AGENT_LOOPBACK_H

#include "base/loop.h"
#include "proto/agent.pb-c.h"
#include "ttrpc/ttrpc.h"

/* Connections at a time. Each may have two calls: below TTRPC_CALLS_MAX, which others need too. */
#define LOOPBACK_MAX 256

/* Answer @call, now or when it is known how it went; limits are those of the calls. */
void loopback_connect(struct loop *loop, struct ttrpc_call *call,
		      const Grpc__ConnectLoopbackRequest *req);
void loopback_read(struct ttrpc_call *call, const Grpc__ReadLoopbackRequest *req);
void loopback_write(struct ttrpc_call *call, const Grpc__WriteLoopbackRequest *req);

/* One that is gone already is none to complain of. */
void loopback_close(uint64_t id);

/* Close all; calls that wait fail. */
void loopback_close_all(void);

#endif
