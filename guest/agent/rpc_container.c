/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "guest/agent/resources.h"
#include "guest/agent/rpc.h"
#include "guest/agent/stats.h"

#define REMOVE_MS      10000
#define FREEZE_LOOK_MS 5
#define FREEZE_MS      5000

void rpc_create_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__CreateContainerRequest *req = (const Grpc__CreateContainerRequest *)msg;
	struct agent *agent = ctx;
	struct err err = ERR_INIT;
	struct passfd streams;

	/* First of all: who is refused below is to see the end of its streams. */
	if (passfd_take(req->stdin_port, req->stdout_port, req->stderr_port, &streams, &err) < 0) {
		ttrpc_fail_err(call, &err);
		return;
	}
	if (!id_is_valid(req->container_id))
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "invalid container id \"%s\"",
			   req->container_id);
	else if (agent->ending)
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the sandbox is being destroyed");
	else if (container_find(agent, req->container_id))
		ttrpc_fail(call, TTRPC_ALREADY_EXISTS, "container %s exists already",
			   req->container_id);
	else
		container_create(agent, call, req, &streams);
	passfd_done(&streams);
}

void rpc_start_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__StartContainerRequest *req = (const Grpc__StartContainerRequest *)msg;
	struct container *c = rpc_container(ctx, req->container_id, call);

	if (c)
		container_start(c, call);
}

static void on_removed(void *arg, const struct err *err)
{
	struct ttrpc_call *call = arg;

	if (err)
		ttrpc_fail_err(call, err);
	else
		rpc_reply_empty(call);
}

void rpc_remove_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__RemoveContainerRequest *req = (const Grpc__RemoveContainerRequest *)msg;
	struct container *c = container_find(ctx, req->container_id);

	if (!c) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "no container %s", req->container_id);
		return;
	}
	if (c->removing || c->create) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s is being %s", c->id,
			   c->removing ? "removed" : "created");
		return;
	}
	container_remove(c, req->timeout ? (int64_t)req->timeout * 1000 : REMOVE_MS, on_removed,
			 call);
}

void rpc_update_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__UpdateContainerRequest *req = (const Grpc__UpdateContainerRequest *)msg;
	struct container *c = rpc_container(ctx, req->container_id, call);
	struct err err = ERR_INIT;

	if (!c)
		return;
	if (req->resources && resources_update(c->cgroup, req->resources, &err) < 0) {
		ttrpc_fail_err(call, &err);
		return;
	}
	if (req->resources)
		container_note_cpus(c, req->resources);
	rpc_reply_empty(call);
}

void rpc_stats_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__StatsContainerRequest *req = (const Grpc__StatsContainerRequest *)msg;
	struct container *c = rpc_container(ctx, req->container_id, call);
	Grpc__StatsContainerResponse *rsp;

	if (!c)
		return;
	rsp = stats_of(c);
	ttrpc_reply(call, &rsp->base);
	grpc__stats_container_response__free_unpacked(rsp, NULL);
}

/* A freeze under way: the kernel stops the processes one by one. */
struct freeze {
	struct agent *agent;
	char *id; /* the container may go meanwhile */
	struct ttrpc_call *call;
	int64_t deadline;
};

static void look_frozen(void *arg)
{
	struct freeze *f = arg;
	struct container *c = container_find(f->agent, f->id);

	if (c && c->paused && !cgroup_frozen(c->cgroup) && loop_now_ms() < f->deadline) {
		/* Version 1 may stop half way; asking again goes on. */
		(void)cgroup_freeze(c->cgroup, true, NULL);
		loop_add_timer(f->agent->loop, FREEZE_LOOK_MS, look_frozen, f);
		return;
	}
	if (!c || !c->paused) {
		ttrpc_fail(f->call, TTRPC_ABORTED, "container %s went on meanwhile", f->id);
	} else if (!cgroup_frozen(c->cgroup)) {
		(void)cgroup_freeze(c->cgroup, false, NULL);
		c->paused = false;
		ttrpc_fail(f->call, TTRPC_DEADLINE_EXCEEDED, "container %s does not freeze", f->id);
	} else {
		rpc_reply_empty(f->call);
	}
	free(f->id);
	free(f);
}

void rpc_pause_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__PauseContainerRequest *req = (const Grpc__PauseContainerRequest *)msg;
	struct container *c = rpc_container(ctx, req->container_id, call);
	struct err err = ERR_INIT;
	struct freeze *f;

	if (!c)
		return;
	if (c->paused || !process_alive(c->init)) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s is %s", c->id,
			   c->paused ? "paused already" : "stopped");
		return;
	}
	if (cgroup_freeze(c->cgroup, true, &err) < 0) {
		ttrpc_fail_err(call, &err);
		return;
	}
	c->paused = true;
	f = xcalloc(1, sizeof(*f));
	f->agent = ctx;
	f->id = xstrdup(c->id);
	f->call = call;
	f->deadline = loop_now_ms() + FREEZE_MS;
	look_frozen(f);
}

void rpc_resume_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__ResumeContainerRequest *req = (const Grpc__ResumeContainerRequest *)msg;
	struct container *c = rpc_container(ctx, req->container_id, call);
	struct err err = ERR_INIT;

	if (!c)
		return;
	if (!c->paused) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s is not paused", c->id);
		return;
	}
	if (cgroup_freeze(c->cgroup, false, &err) < 0) {
		ttrpc_fail_err(call, &err);
		return;
	}
	c->paused = false;
	rpc_reply_empty(call);
}
