/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked about containers when something is wrong; and what nobody answers here. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "guest/agent/job.h"
#include "guest/agent/rpc.h"
#include "guest/agent/termination_log.h"

struct reading {
	struct ttrpc_call *call;
	char *path; /* the container may go meanwhile */
	struct output *out;
};

static int read_log(void *arg, struct err *err)
{
	const struct reading *r = arg;

	return termination_log_read(r->path, r->out, err);
}

static void on_read(const struct err *err, void *arg)
{
	Grpc__GetDiagnosticDataResponse rsp = GRPC__GET_DIAGNOSTIC_DATA_RESPONSE__INIT;
	struct reading *r = arg;

	if (err) {
		ttrpc_fail_err(r->call, err);
	} else {
		r->out->data[r->out->len] = '\0'; /* fits: see below */
		rsp.data = (char *)r->out->data;
		ttrpc_reply(r->call, &rsp.base);
	}
	output_free(r->out);
	free(r->path);
	free(r);
}

void rpc_get_diagnostic_data(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__GetDiagnosticDataRequest *req = (const Grpc__GetDiagnosticDataRequest *)msg;
	struct err err = ERR_INIT;
	struct agent *agent = ctx;
	struct container *c;
	struct reading *r;

	if (strcmp(req->log_type, "termination_log")) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "unsupported diagnostic log_type: %s",
			   req->log_type);
		return;
	}
	c = rpc_container(agent, req->container_id, call);
	if (!c)
		return;
	if (!c->termination_log) {
		ttrpc_fail(call, TTRPC_NOT_FOUND, "container %s has no termination message mount",
			   c->id);
		return;
	}
	r = xcalloc(1, sizeof(*r));
	r->call = call;
	r->path = xstrdup(c->termination_log);
	r->out = output_new(3 * TERMINATION_LOG_MAX + 1, &err);
	if (r->out)
		job_run(agent->loop, read_log, on_read, r);
	else
		on_read(&err, r);
}

void rpc_mem_agent(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)msg;
	(void)ctx;
	ttrpc_fail(call, TTRPC_UNIMPLEMENTED,
		   "mem-agent is not supported: the guest's kernel manages its memory itself");
}
