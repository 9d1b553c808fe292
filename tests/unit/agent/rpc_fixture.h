/* SPDX-License-Identifier: Apache-2.0 */
/* An agent on a loop, and calls of it as the runtime makes them. */
#ifndef TEST_AGENT_RPC_FIXTURE_H
#define TEST_AGENT_RPC_FIXTURE_H

#include <stdbool.h>

#include "guest/agent/rpc.h"
#include "ttrpc/ttrpc.h"

struct rpc_fixture {
	struct agent agent;
	struct ttrpc_client *client;
};

/* f->agent may have been told things before: the rest of it is zero. */
void rpc_fixture_begin(struct rpc_fixture *f);
void rpc_fixture_end(struct rpc_fixture *f);

/* Of a call: what a test keeps of it begins with this. */
struct rpc_answer {
	bool done;
	int code; /* 0 or -errno */
	void (*keep)(struct rpc_answer *a, const ProtobufCMessage *rsp);
};

/* @keep is told of an answer that is no error. @a lives until it is done, or the fixture ends. */
void rpc_begin(struct rpc_fixture *f, const char *method, const ProtobufCMessage *req,
	       struct rpc_answer *a,
	       void (*keep)(struct rpc_answer *a, const ProtobufCMessage *rsp));
/* a->code; the test fails when nothing comes within 10 s. */
int rpc_await(struct rpc_fixture *f, const struct rpc_answer *a);

#endif
