/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to the agent in the guest: services grpc.AgentService and
 * grpc.Health by ttrpc. Errors say where they come from: "agent:
 * CreateContainer: <the agent's message>".
 */
#ifndef HOST_AGENT_CLIENT_AGENT_H
#define HOST_AGENT_CLIENT_AGENT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "proto/agent.pb-c.h"

/* How long a request may take that has no limit of its own (Kata's number). */
#define AGENT_CALL_MS 60000

struct agent;

/*
 * The connection ended; comes once, after all calls in flight have failed with
 * -ECONNRESET. agent_free() may be called from here.
 */
typedef void (*agent_lost_cb)(const struct err *why, void *arg);

/*
 * Speak to the agent on the stream @fd (taken over, also on failure). @serial:
 * it is a serial link, whose beginning is found within @sync_ms (ttrpc/serial.h).
 * Calls can be made at once. NULL and @err on failure.
 */
struct agent *agent_new(struct loop *loop, int fd, bool serial, int64_t sync_ms, agent_lost_cb lost,
			void *arg, struct err *err);

/* Close; calls in flight are dropped without a callback. NULL is allowed. */
void agent_free(struct agent *agent);

/* @rsp on success, else NULL and @err; both valid during the call. */
typedef void (*agent_reply_cb)(const ProtobufCMessage *rsp, const struct err *err, void *arg);

/*
 * Call @method of grpc.AgentService. @timeout_ms ≤ 0: no limit, for what lasts as
 * long as a process does. The callback comes later and exactly once, unless
 * agent_free() comes first.
 */
void agent_call(struct agent *agent, const char *method, const ProtobufCMessage *req,
		int64_t timeout_ms, agent_reply_cb cb, void *arg);

/* Health.Check: the answer means that the agent serves. An agent that is not serving is -EAGAIN. */
void agent_check(struct agent *agent, int64_t timeout_ms, agent_reply_cb cb, void *arg);

#endif
