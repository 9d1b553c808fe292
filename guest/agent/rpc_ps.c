/* SPDX-License-Identifier: Apache-2.0 */
/* ListProcesses: an extension, which Kata's agent had up to 1.x. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "guest/agent/job.h"
#include "guest/agent/output.h"
#include "guest/agent/ps.h"
#include "guest/agent/rpc.h"

#define TEXT_MAX (TTRPC_DATA_MAX - 65536) /* what one answer carries besides its frame */

struct listing {
	struct ttrpc_call *call;
	const Grpc__ListProcessesRequest *req; /* lives until the call is answered */
	pid_t *pids;
	size_t n;
	struct output *out;
};

/* In a job: a process decides how long it takes to read its command line out of its memory. */
static int list(void *arg, struct err *err)
{
	const struct listing *l = arg;
	auto_str struct str text = STR_INIT;
	int r = 0;

	if (!strcmp(l->req->format, "json"))
		ps_json(l->pids, l->n, &text);
	else
		r = ps_table("/proc", l->pids, l->n, l->req->args, l->req->n_args, &text, err);
	if (r < 0)
		return r;
	if (text.len > l->out->size)
		return err_set(err, EFBIG, "ps: %zu processes are too many for one answer", l->n);
	if (text.len > 0)
		memcpy(l->out->data, text.data, text.len);
	l->out->len = text.len;
	return 0;
}

static void on_listed(const struct err *err, void *arg)
{
	Grpc__ListProcessesResponse rsp = GRPC__LIST_PROCESSES_RESPONSE__INIT;
	struct listing *l = arg;

	if (err) {
		ttrpc_fail_err(l->call, err);
	} else {
		rsp.process_list.data = l->out->data;
		rsp.process_list.len = l->out->len;
		ttrpc_reply(l->call, &rsp.base);
	}
	output_free(l->out);
	free(l->pids);
	free(l);
}

void rpc_list_processes(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__ListProcessesRequest *req = (const Grpc__ListProcessesRequest *)msg;
	struct container *c = rpc_container(ctx, req->container_id, call);
	struct err err = ERR_INIT;
	struct listing *l;

	if (!c)
		return;
	if (*req->format && strcmp(req->format, "json") && strcmp(req->format, "table")) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "format \"%s\" is neither json nor table",
			   req->format);
		return;
	}
	l = xcalloc(1, sizeof(*l));
	l->call = call;
	l->req = req;
	l->n = cgroup_processes(c->cgroup, &l->pids);
	l->out = output_new(TEXT_MAX, &err);
	if (l->out)
		job_run(c->agent->loop, list, on_listed, l);
	else
		on_listed(&err, l);
}
