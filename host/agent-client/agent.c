/* SPDX-License-Identifier: Apache-2.0 */
#include "host/agent-client/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/str.h"
#include "proto/health.pb-c.h"
#include "ttrpc/ttrpc.h"

struct agent {
	struct ttrpc_client *client;
	struct list calls;
	agent_lost_cb lost;
	void *arg;
};

struct agent_request {
	struct list link;
	char *service, *method;
	agent_reply_cb cb;
	void *arg;
};

static void forget(struct agent_request *r)
{
	list_del(&r->link);
	free(r->service);
	free(r->method);
	free(r);
}

static void on_closed(const struct err *err, void *arg)
{
	struct agent *agent = arg;
	struct err why = *err;

	err_wrap(&why, "agent");
	agent->lost(&why, agent->arg);
}

struct agent *agent_new(struct loop *loop, int fd, bool serial, int64_t sync_ms, agent_lost_cb lost,
			void *arg, struct err *err)
{
	struct agent *agent = xcalloc(1, sizeof(*agent));

	list_init(&agent->calls);
	agent->lost = lost;
	agent->arg = arg;
	agent->client = serial ? ttrpc_client_new_serial(loop, fd, sync_ms, on_closed, agent) :
				 ttrpc_client_new(loop, fd, on_closed, agent);
	if (agent->client)
		return agent;
	err_sys(err, errno, "agent: cannot watch the connection");
	free(agent);
	return NULL;
}

void agent_free(struct agent *agent)
{
	if (!agent)
		return;
	ttrpc_client_free(agent->client);
	while (!list_empty(&agent->calls))
		forget(container_of(agent->calls.next, struct agent_request, link));
	free(agent);
}

/* What the client itself reports begins with the call's name, what the agent says does not. */
static void explain(const struct agent_request *r, const struct err *err, struct err *out)
{
	auto_free char *own = xasprintf("%s/%s: ", r->service, r->method);
	const char *msg = err_msg(err);

	err_set(out, err->code, "agent: %s: %s", r->method,
		str_starts(msg, own) ? msg + strlen(own) : msg);
}

static void on_reply(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct agent_request *r = arg;
	agent_reply_cb cb = r->cb;
	void *cb_arg = r->arg;
	struct err why = ERR_INIT;

	if (!rsp)
		explain(r, err, &why);
	forget(r);
	cb(rsp, rsp ? NULL : &why, cb_arg);
}

static void begin(struct agent *agent, const ProtobufCServiceDescriptor *service,
		  const char *method, const ProtobufCMessage *req, int64_t timeout_ms,
		  ttrpc_reply_cb on, agent_reply_cb cb, void *arg)
{
	struct agent_request *r = xcalloc(1, sizeof(*r));

	r->service = xstrdup(service->name);
	r->method = xstrdup(method);
	r->cb = cb;
	r->arg = arg;
	list_add_tail(&agent->calls, &r->link);
	ttrpc_client_call(agent->client, service, method, req, timeout_ms, on, r);
}

void agent_call(struct agent *agent, const char *method, const ProtobufCMessage *req,
		int64_t timeout_ms, agent_reply_cb cb, void *arg)
{
	begin(agent, &grpc__agent_service__descriptor, method, req, timeout_ms, on_reply, cb, arg);
}

static void on_health(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Grpc__HealthCheckResponse *health = (const Grpc__HealthCheckResponse *)rsp;
	struct err why = ERR_INIT;

	if (health && health->status != GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING) {
		err_set(&why, EAGAIN, "it does not serve (status %d)", (int)health->status);
		on_reply(NULL, &why, arg);
		return;
	}
	on_reply(rsp, err, arg);
}

void agent_check(struct agent *agent, int64_t timeout_ms, agent_reply_cb cb, void *arg)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;

	begin(agent, &grpc__health__descriptor, "Check", &req.base, timeout_ms, on_health, cb, arg);
}
