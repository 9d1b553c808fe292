/* SPDX-License-Identifier: Apache-2.0 */
/* ListProcesses: an extension, which Kata's agent had up to 1.x. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "guest/agent/ps.h"
#include "guest/agent/rpc.h"

void rpc_list_processes(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__ListProcessesRequest *req = (const Grpc__ListProcessesRequest *)msg;
	Grpc__ListProcessesResponse rsp = GRPC__LIST_PROCESSES_RESPONSE__INIT;
	struct container *c = rpc_container(ctx, req->container_id, call);
	auto_str struct str text = STR_INIT;
	auto_free pid_t *pids = NULL;
	struct err err = ERR_INIT;
	size_t n;
	int r = 0;

	if (!c)
		return;
	n = cgroup_processes(c->cgroup, &pids);
	if (!strcmp(req->format, "json"))
		ps_json(pids, n, &text);
	else if (!strcmp(req->format, "table") || !*req->format)
		r = ps_table("/proc", pids, n, req->args, req->n_args, &text, &err);
	else
		r = err_set(&err, EINVAL, "format \"%s\" is neither json nor table", req->format);
	if (r < 0) {
		ttrpc_fail_err(call, &err);
		return;
	}
	rsp.process_list.data = (uint8_t *)text.data;
	rsp.process_list.len = text.len;
	ttrpc_reply(call, &rsp.base);
}
