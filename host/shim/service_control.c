/* SPDX-License-Identifier: Apache-2.0 */
/* What the service does to a container as a whole, and tells of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "cgroup/cgroup.h"
#include "host/sandbox/control.h"
#include "host/shim/metrics.h"
#include "host/shim/service.h"
#include "host/shim/task_events.h"
#include "oci/spec.h"
#include "proto/shim.pb-c.h"

/* A call about a container, which may go meanwhile. */
struct request {
	struct shim *s;
	char *id;
	struct ttrpc_call *call;
	bool pause; /* or resume */
};

static struct request *request_new(struct shim *s, const char *id, struct ttrpc_call *call)
{
	struct request *r = xcalloc(1, sizeof(*r));

	r->s = s;
	r->id = xstrdup(id);
	r->call = call;
	return r;
}

static void request_free(struct request *r)
{
	free(r->id);
	free(r);
}

/* It has processes that can rest: one that waits for its start among them, as with runc. */
static bool is_there(const struct process *p)
{
	return (p->state == PROCESS_RUNNING || p->state == PROCESS_CREATED) && !p->exited &&
	       !p->deleting;
}

/* The task, if that is so; else @call is answered. @verb: "paused". */
static struct task *running(struct shim *s, struct ttrpc_call *call, const char *id,
			    const char *verb)
{
	struct task *t = service_task(s, call, id);

	if (!t)
		return NULL;
	if (is_there(t->init))
		return t;
	ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s cannot be %s: it is %s", id, verb,
		   t->init->deleting		      ? "being deleted" :
		   t->init->state == PROCESS_CREATING ? "still being created" :
		   t->init->state == PROCESS_STARTING ? "being started" :
							"stopped");
	return NULL;
}

/* ---- Pause, Resume ---------------------------------------------------------- */

static void on_changed(const struct err *err, void *arg)
{
	struct request *r = arg;
	struct task *t = task_find(r->s, r->id);
	struct err failure = ERR_INIT;

	if (t)
		t->changing = false;
	/* What has ended meanwhile neither rests nor goes on. */
	if (t && !err && is_there(t->init)) {
		const char *awake = t->init->state == PROCESS_CREATED ? "created" : "running";

		t->paused = r->pause;
		if (sandbox_set_status(r->s->sandbox, r->id, r->pause ? "paused" : awake,
				       &failure) < 0)
			log_warn("container %s: %s", r->id, err_msg(&failure));
		if (r->pause)
			task_event_paused(t);
		else
			task_event_resumed(t);
		log_info("container %s %s", r->id, r->pause ? "is paused" : "goes on");
	}
	service_done(err, r->call);
	request_free(r);
}

static void change(struct shim *s, struct ttrpc_call *call, const char *id, bool pause)
{
	struct task *t = running(s, call, id, pause ? "paused" : "resumed");
	struct request *r;

	if (!t)
		return;
	if (t->changing || t->paused == pause) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s %s", id,
			   t->changing ? "is being paused or resumed" :
			   pause       ? "is paused already" :
					 "is not paused");
		return;
	}
	t->changing = true;
	r = request_new(s, id, call);
	r->pause = pause;
	if (pause)
		sandbox_pause(s->sandbox, id, on_changed, r);
	else
		sandbox_resume(s->sandbox, id, on_changed, r);
}

void service_pause(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	change(ctx, call, ((const Containerd__Task__V2__PauseRequest *)msg)->id, true);
}

void service_resume(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	change(ctx, call, ((const Containerd__Task__V2__ResumeRequest *)msg)->id, false);
}

void service_checkpoint(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)msg;
	(void)ctx;
	ttrpc_fail(call, TTRPC_UNIMPLEMENTED, "checkpoints are not supported");
}

/* ---- Update ----------------------------------------------------------------- */

static int parse_resources(const Google__Protobuf__Any *any, Grpc__LinuxResources **res,
			   struct err *err)
{
	const char *name;

	if (!any || any->value.len == 0)
		return err_set(err, EINVAL, "the request has no resources");
	/* containerd's "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources": JSON. */
	name = strrchr(any->type_url, '/');
	name = name ? name + 1 : any->type_url;
	if (strcmp(name, "LinuxResources") != 0)
		return err_set(err, EINVAL, "resources of type \"%s\" are unknown", any->type_url);
	return oci_resources_parse((const char *)any->value.data, any->value.len, "resources", res,
				   err);
}

void service_update(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__UpdateTaskRequest *req =
		(const Containerd__Task__V2__UpdateTaskRequest *)msg;
	struct task *t = service_task(ctx, call, req->id);
	Grpc__LinuxResources *res = NULL;
	struct err err = ERR_INIT;
	struct shim *s = ctx;

	if (!t)
		return;
	if (t->init->state == PROCESS_CREATING || t->init->state == PROCESS_STOPPED ||
	    t->init->exited || t->init->deleting) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION,
			   "container %s cannot be updated: it is %s", req->id,
			   t->init->state == PROCESS_CREATING ? "still being created" : "stopped");
		return;
	}
	if (parse_resources(req->resources, &res, &err) < 0) {
		ttrpc_fail_err(call, &err);
		return;
	}
	sandbox_update(s->sandbox, req->id, res, service_done, call);
	grpc__linux_resources__free_unpacked(res, NULL);
}

/* ---- Stats ------------------------------------------------------------------ */

/* The task, if the guest may know what it uses. */
static struct task *measured(struct shim *s, struct ttrpc_call *call, const char *id)
{
	struct task *t = service_task(s, call, id);

	if (!t)
		return NULL;
	if (t->init->state != PROCESS_CREATING && !s->death.code)
		return t;
	ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s has no control group %s", id,
		   s->death.code ? "any more: its virtual machine has ended" : "yet");
	return NULL;
}

static void on_stats(const struct err *err, const Grpc__StatsContainerResponse *stats, void *arg)
{
	Containerd__Task__V2__StatsResponse rsp = CONTAINERD__TASK__V2__STATS_RESPONSE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	if (err) {
		ttrpc_fail_err(arg, err);
		return;
	}
	metrics_pack(stats, cgroup_layout() == CGROUP_UNIFIED, &any);
	rsp.stats = &any;
	ttrpc_reply(arg, &rsp.base);
	free(any.value.data);
}

void service_stats(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__StatsRequest *req =
		(const Containerd__Task__V2__StatsRequest *)msg;
	struct shim *s = ctx;

	if (measured(s, call, req->id))
		sandbox_stats(s->sandbox, req->id, on_stats, call);
}

/* ---- kata.shim.Shim --------------------------------------------------------- */

static void on_own_stats(const struct err *err, const Grpc__StatsContainerResponse *stats,
			 void *arg)
{
	if (err)
		ttrpc_fail_err(arg, err);
	else
		ttrpc_reply(arg, &stats->base);
}

static void handle_stats(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Kata__Shim__ContainerRequest *req = (const Kata__Shim__ContainerRequest *)msg;
	struct shim *s = ctx;

	if (measured(s, call, req->id))
		sandbox_stats(s->sandbox, req->id, on_own_stats, call);
}

static void on_list(const struct err *err, const void *text, size_t len, void *arg)
{
	Grpc__ListProcessesResponse rsp = GRPC__LIST_PROCESSES_RESPONSE__INIT;

	if (err) {
		ttrpc_fail_err(arg, err);
		return;
	}
	rsp.process_list.data = (uint8_t *)(uintptr_t)text;
	rsp.process_list.len = len;
	ttrpc_reply(arg, &rsp.base);
}

static void handle_list(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__ListProcessesRequest *req = (const Grpc__ListProcessesRequest *)msg;
	struct task *t = service_task(ctx, call, req->container_id);
	struct shim *s = ctx;

	if (!t)
		return;
	if (t->init->state == PROCESS_CREATING || t->init->state == PROCESS_STOPPED) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s is not running", t->id);
		return;
	}
	sandbox_list_processes(s->sandbox, t->id, req->format, req->args, req->n_args, on_list,
			       call);
}

static void handle_guest(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	Kata__Shim__GuestResponse rsp = KATA__SHIM__GUEST_RESPONSE__INIT;
	auto_str struct str address = STR_INIT;
	struct shim *s = ctx;

	(void)msg;
	if (!s->sandbox || s->death.code) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the sandbox has no virtual machine");
		return;
	}
	rsp.debug_console = sandbox_guest(s->sandbox, &address);
	rsp.address = address.len ? address.data : rsp.address;
	ttrpc_reply(call, &rsp.base);
}

static void on_asked(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	if (err)
		ttrpc_fail_err(arg, err);
	else
		ttrpc_reply(arg, rsp);
}

/* As they are: these methods are the agent's own. */
static void handle_agents(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const char *method = strrchr(ttrpc_call_name(call), '/') + 1;
	struct shim *s = ctx;

	if (s->sandbox && !shim_is_booting(s) && !s->death.code && !s->ending)
		sandbox_ask_agent(s->sandbox, method, msg, on_asked, call);
	else
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the sandbox has no guest that runs");
}

void service_add_own(struct ttrpc_server *server, struct shim *s)
{
	static const struct ttrpc_method methods[] = {
		{ "Stats", handle_stats },
		{ "ListProcesses", handle_list },
		{ "Guest", handle_guest },
		{ "GetMetrics", handle_agents },
		{ "SetPolicy", handle_agents },
		{ "GetIPTables", handle_agents },
		{ "SetIPTables", handle_agents },
		{ "NextEvent", task_event_next },
		{ NULL, NULL },
	};

	ttrpc_server_add(server, &kata__shim__shim__descriptor, methods, s);
}
