/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to the guest's loopback. */
#include "guest/agent/loopback.h"
#include "guest/agent/rpc.h"

void rpc_connect_loopback(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const struct agent *agent = ctx;

	if (agent->ending) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the sandbox is being destroyed");
		return;
	}
	loopback_connect(agent->loop, call, (const Grpc__ConnectLoopbackRequest *)msg);
}

void rpc_read_loopback(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)ctx;
	loopback_read(call, (const Grpc__ReadLoopbackRequest *)msg);
}

void rpc_write_loopback(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)ctx;
	loopback_write(call, (const Grpc__WriteLoopbackRequest *)msg);
}

void rpc_close_loopback(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)ctx;
	loopback_close(((const Grpc__CloseLoopbackRequest *)msg)->id);
	rpc_reply_empty(call);
}
