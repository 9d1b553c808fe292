/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about names. */
#include "guest/agent/names.h"
#include "guest/agent/rpc.h"

void rpc_serve_names(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	struct agent *agent = ctx;
	struct err err = ERR_INIT;

	if (agent->ending)
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the sandbox is being destroyed");
	else if (names_serve(agent, (const Grpc__ServeNamesRequest *)msg, &err) < 0)
		ttrpc_fail_err(call, &err);
	else
		rpc_reply_empty(call);
}

void rpc_get_name_query(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const struct agent *agent = ctx;

	(void)msg;
	if (agent->ending)
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the sandbox is being destroyed");
	else
		names_next(call);
}

void rpc_answer_name_query(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)ctx;
	names_answer((const Grpc__AnswerNameQueryRequest *)msg);
	rpc_reply_empty(call);
}

void rpc_ask_name_server(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	struct agent *agent = ctx;

	if (agent->ending)
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the sandbox is being destroyed");
	else
		names_ask(agent, call, (const Grpc__AskNameServerRequest *)msg);
}
