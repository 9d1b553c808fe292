/* SPDX-License-Identifier: Apache-2.0 */
/* The service as a whole, and what it tells without changing anything. */
#include "host/shim/service.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/shim/creation.h"
#include "host/shim/pod.h"

/* For those who want to follow what containerd asks, in the order in which it does. */
static void tell(struct ttrpc_call *call, const char *id, const char *exec_id)
{
	log_debug("%s %s%s%s", strrchr(ttrpc_call_name(call), '/') + 1, id, *exec_id ? " " : "",
		  exec_id);
}

static struct task *find_task(struct shim *s, struct ttrpc_call *call, const char *id)
{
	struct task *t = task_find(s, id);

	if (s->ending)
		ttrpc_fail(call, TTRPC_UNAVAILABLE, "the shim is shutting down");
	else if (!t)
		ttrpc_fail(call, TTRPC_NOT_FOUND, "container %s not found", id);
	return s->ending ? NULL : t;
}

struct task *service_task(struct shim *s, struct ttrpc_call *call, const char *id)
{
	tell(call, id, "");
	return find_task(s, call, id);
}

struct process *service_process(struct shim *s, struct ttrpc_call *call, const char *id,
				const char *exec_id)
{
	struct process *p;
	struct task *t;

	/* First: what is refused is answered, and gone. */
	tell(call, id, exec_id);
	t = find_task(s, call, id);
	p = t ? task_process(t, exec_id) : NULL;
	if (t && !p)
		ttrpc_fail(call, TTRPC_NOT_FOUND, "process %s of container %s not found", exec_id,
			   id);
	return p;
}

Google__Protobuf__Timestamp service_timestamp(struct timespec t)
{
	Google__Protobuf__Timestamp ts = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	ts.seconds = t.tv_sec;
	ts.nanos = (int32_t)t.tv_nsec;
	return ts;
}

void service_reply_empty(struct ttrpc_call *call)
{
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	ttrpc_reply(call, &empty.base);
}

void service_done(const struct err *err, void *arg)
{
	if (err)
		ttrpc_fail_err(arg, err);
	else
		service_reply_empty(arg);
}

/* The API has no word for a container that is still being made. */
static Containerd__V1__Types__Status status_of(const struct process *p, bool paused)
{
	switch (p->state) {
	case PROCESS_CREATING:
		break;
	case PROCESS_CREATED:
		if (paused)
			return CONTAINERD__V1__TYPES__STATUS__PAUSED;
		/* fallthrough */
	case PROCESS_STARTING:
		return CONTAINERD__V1__TYPES__STATUS__CREATED;
	case PROCESS_RUNNING:
		return paused ? CONTAINERD__V1__TYPES__STATUS__PAUSED :
				CONTAINERD__V1__TYPES__STATUS__RUNNING;
	case PROCESS_STOPPED:
		return CONTAINERD__V1__TYPES__STATUS__STOPPED;
	}
	return CONTAINERD__V1__TYPES__STATUS__UNKNOWN;
}

static void set(char **field, char *value)
{
	if (value)
		*field = value;
}

static void handle_state(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__StateRequest *req =
		(const Containerd__Task__V2__StateRequest *)msg;
	Containerd__Task__V2__StateResponse rsp = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	struct process *p = service_process(ctx, call, req->id, req->exec_id);
	Google__Protobuf__Timestamp at;
	const struct task *t;

	if (!p)
		return;
	t = task_find(ctx, req->id);
	rsp.id = p->id;
	rsp.bundle = t->bundle;
	rsp.pid = shim_process_pid(p);
	rsp.status = status_of(p, t->paused);
	set(&rsp.stdin, p->in);
	set(&rsp.stdout, p->out);
	set(&rsp.stderr, p->err);
	rsp.terminal = p->terminal;
	rsp.exec_id = p->exec_id;
	if (p->state == PROCESS_STOPPED) {
		at = service_timestamp(p->exited_at);
		rsp.exit_status = p->exit_status;
		rsp.exited_at = &at;
	}
	ttrpc_reply(call, &rsp.base);
}

static void handle_create(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__CreateTaskRequest *req =
		(const Containerd__Task__V2__CreateTaskRequest *)msg;

	tell(call, req->id, "");
	creation_begin(ctx, call, req);
}

static void handle_wait(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__WaitRequest *req =
		(const Containerd__Task__V2__WaitRequest *)msg;
	struct process *p = service_process(ctx, call, req->id, req->exec_id);

	if (p)
		shim_process_wait(p, call);
}

/* On the host a container is one process: its stand-in, or the machine's. */
static void handle_pids(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__PidsRequest *req =
		(const Containerd__Task__V2__PidsRequest *)msg;
	Containerd__Task__V2__PidsResponse rsp = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	Containerd__V1__Types__ProcessInfo info = CONTAINERD__V1__TYPES__PROCESS_INFO__INIT;
	Containerd__V1__Types__ProcessInfo *infos[] = { &info };
	struct task *t = service_task(ctx, call, req->id);

	if (!t)
		return;
	info.pid = shim_process_pid(t->init);
	rsp.processes = infos;
	rsp.n_processes = info.pid ? 1 : 0;
	ttrpc_reply(call, &rsp.base);
}

/* Also before there is a task: it is how a client learns whom it speaks with. */
static void handle_connect(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__ConnectRequest *req =
		(const Containerd__Task__V2__ConnectRequest *)msg;
	Containerd__Task__V2__ConnectResponse rsp = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;
	const struct shim *s = ctx;
	struct task *t = task_find(s, req->id);

	rsp.shim_pid = (uint32_t)getpid();
	if (t)
		rsp.task_pid = shim_process_pid(t->init);
	else if (s->sandbox)
		rsp.task_pid = (uint32_t)sandbox_pid(s->sandbox);
	ttrpc_reply(call, &rsp.base);
}

/* containerd asks after each Delete; while other tasks, or their pod, are there it means nothing. */
static void handle_shutdown(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__ShutdownRequest *req =
		(const Containerd__Task__V2__ShutdownRequest *)msg;
	struct shim *s = ctx;

	tell(call, req->id, "");
	if ((!list_empty(&s->tasks) || pod_holds(s->pod)) && !req->now && !s->ending) {
		service_reply_empty(call);
		return;
	}
	pending_add(&s->ends, call);
	shim_end(s, "Shutdown was called");
}

void service_add(struct ttrpc_server *server, struct shim *s)
{
	static ProtobufCServiceDescriptor v3;
	static const struct ttrpc_method methods[] = {
		{ "State", handle_state },
		{ "Create", handle_create },
		{ "Start", service_start },
		{ "Delete", service_delete },
		{ "Pids", handle_pids },
		{ "Pause", service_pause },
		{ "Resume", service_resume },
		{ "Checkpoint", service_checkpoint },
		{ "Kill", service_kill },
		{ "Exec", service_exec },
		{ "ResizePty", service_resize_pty },
		{ "CloseIO", service_close_io },
		{ "Update", service_update },
		{ "Wait", handle_wait },
		{ "Stats", service_stats },
		{ "Connect", handle_connect },
		{ "Shutdown", handle_shutdown },
		{ NULL, NULL },
	};

	v3 = containerd__task__v2__task__descriptor;
	v3.name = "containerd.task.v3.Task";
	ttrpc_server_add(server, &containerd__task__v2__task__descriptor, methods, s);
	ttrpc_server_add(server, &v3, methods, s);
	service_add_sandbox(server, s);
	service_add_own(server, s);
}
