/* SPDX-License-Identifier: Apache-2.0 */
/* What the service does to processes: start, add, signal, remove. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/state.h"
#include "host/shim/change.h"
#include "host/shim/kill.h"
#include "host/shim/service.h"
#include "host/shim/task_events.h"
#include "oci/spec.h"

/* ---- Start ---------------------------------------------------------------------- */

/* The status that containerd's own shim gives a process that never ran. */
#define STATUS_NEVER_RAN 255

static void on_poststarted(const struct err *err, void *arg)
{
	Containerd__Task__V2__StartResponse rsp = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	struct change *c = arg;

	rsp.pid = shim_process_pid(c->p);
	if (err)
		ttrpc_fail_err(c->call, err);
	else
		ttrpc_reply(c->call, &rsp.base);
	if (standin_lost(c->p->standin))
		kill_abandoned(c->p, true);
	change_free(c);
}

static void on_started(const struct err *err, void *arg)
{
	struct change *c = arg;
	struct process *p = c->p;
	struct shim *s = p->shim;
	struct err failure = ERR_INIT;

	if (err) {
		/* Killed while it was started, it may have stopped meanwhile. */
		if (p->state == PROCESS_STARTING)
			p->state = PROCESS_CREATED;
		if (s->death.code || !shim_process_is_init(p))
			shim_process_exited(p, s->death.code ? STATUS_KILLED : STATUS_NEVER_RAN);
		ttrpc_fail_err(c->call, err);
		change_free(c);
		return;
	}
	shim_process_started(p);
	if (shim_process_is_init(p) &&
	    sandbox_set_status(s->sandbox, p->id, "running", &failure) < 0)
		log_warn("container %s: %s", p->id, err_msg(&failure));
	task_event_started(p);
	log_info("%s runs", shim_process_name(p));
	if (shim_process_is_init(p))
		sandbox_poststart(s->sandbox, p->id, on_poststarted, c);
	else
		on_poststarted(NULL, c);
}

/* It would rest before it has begun, and whoever starts it wait for that. */
static bool refuse_paused(const struct task *t, struct ttrpc_call *call)
{
	if (!t->paused && !t->changing)
		return false;
	ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s is paused", t->id);
	return true;
}

void service_start(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__StartRequest *req =
		(const Containerd__Task__V2__StartRequest *)msg;
	struct process *p = service_process(ctx, call, req->id, req->exec_id);
	struct shim *s = ctx;

	if (!p)
		return;
	if (p->state != PROCESS_CREATED || p->exited || p->deleting) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "%s cannot be started: it %s",
			   shim_process_name(p),
			   p->state == PROCESS_CREATING ? "is still being created" :
			   p->deleting			? "is being deleted" :
							  "was started already");
		return;
	}
	if (refuse_paused(task_find(s, p->id), call))
		return;
	p->state = PROCESS_STARTING;
	shim_process_size_terminal(p);
	if (shim_process_is_init(p))
		sandbox_start_container(s->sandbox, p->id, on_started, change_new(p, call));
	else
		sandbox_exec(s->sandbox, p->id, p->exec_id, take_ptr(p->spec), on_started,
			     change_new(p, call));
}

/* ---- Exec ----------------------------------------------------------------------- */

static int open_exec(struct process *p, struct ttrpc_call *call,
		     const Containerd__Task__V2__ExecProcessRequest *req, struct err *err)
{
	const Google__Protobuf__Any *any = req->spec;
	int r;

	if (!any || any->value.len == 0)
		return err_set(err, EINVAL, "%s: the request has no process", shim_process_name(p));
	/* A JSON text, whatever the type URL: so containerd packs it. */
	r = oci_process_parse((const char *)any->value.data, any->value.len, shim_process_name(p),
			      &p->spec, err);
	if (r == 0)
		r = oci_process_check(p->spec, err);
	if (r < 0)
		return r;
	p->spec->terminal = req->terminal;
	r = standin_take(p, call, err);
	if (r == 0)
		r = standin_note(p->standin, err);
	if (r < 0)
		return r;
	return shim_process_open_streams(p, call, req->terminal, req->stdin, req->stdout,
					 req->stderr, err);
}

void service_exec(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__ExecProcessRequest *req =
		(const Containerd__Task__V2__ExecProcessRequest *)msg;
	struct task *t = service_task(ctx, call, req->id);
	struct err err = ERR_INIT;
	struct process *p;

	if (!t)
		return;
	if (!state_process_id_ok(req->exec_id)) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "invalid process ID \"%s\"", req->exec_id);
		return;
	}
	if (task_process(t, req->exec_id)) {
		ttrpc_fail(call, TTRPC_ALREADY_EXISTS, "process %s of container %s already exists",
			   req->exec_id, req->id);
		return;
	}
	/* As runc, which takes one for a container that waits for its start, too. */
	if (t->init->state == PROCESS_CREATING || t->init->state == PROCESS_STOPPED ||
	    t->init->exited || t->init->deleting) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s is not running", req->id);
		return;
	}
	if (refuse_paused(t, call))
		return;
	p = shim_process_new(ctx, req->id, req->exec_id);
	p->state = PROCESS_CREATED;
	if (open_exec(p, call, req, &err) < 0) {
		shim_process_unref(p);
		ttrpc_fail_err(call, &err);
		return;
	}
	list_add_tail(&t->execs, &p->link);
	task_event_exec_added(p);
	service_reply_empty(call);
}

/* ---- Kill ----------------------------------------------------------------------- */

void service_kill(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__KillRequest *req =
		(const Containerd__Task__V2__KillRequest *)msg;
	struct process *p = service_process(ctx, call, req->id, req->exec_id);

	if (p)
		kill_process(p, req->signal, req->all, call);
}

/* ---- Delete ----------------------------------------------------------------------- */

static void reply_deleted(struct process *p, struct ttrpc_call *call)
{
	Containerd__Task__V2__DeleteResponse rsp = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp at;

	if (p->state != PROCESS_STOPPED) {
		p->exit_status = STATUS_KILLED;
		clock_gettime(CLOCK_REALTIME, &p->exited_at);
	}
	at = service_timestamp(p->exited_at);
	rsp.pid = shim_process_pid(p);
	rsp.exit_status = p->exit_status;
	rsp.exited_at = &at;
	task_event_deleted(p);
	ttrpc_reply(call, &rsp.base);
}

static void on_removed(const struct err *err, void *arg)
{
	struct change *c = arg;
	struct process *p = c->p;
	struct task *t = task_find(p->shim, p->id);

	/* With the machine the container has gone; what is on the host goes with the sandbox. */
	if (err && p->shim->death.code == 0) {
		p->deleting = false;
		ttrpc_fail_err(c->call, err);
		change_free(c);
		return;
	}
	if (t)
		task_remove(t);
	reply_deleted(p, c->call);
	change_free(c);
}

void service_delete(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__DeleteRequest *req =
		(const Containerd__Task__V2__DeleteRequest *)msg;
	struct process *p = service_process(ctx, call, req->id, req->exec_id);
	struct shim *s = ctx;

	if (!p)
		return;
	if (p->deleting) { /* of two that delete, one has to hear that */
		ttrpc_fail(call, TTRPC_NOT_FOUND, "%s is being deleted", shim_process_name(p));
		return;
	}
	if (p->state != PROCESS_STOPPED &&
	    (p->state != PROCESS_CREATED ||
	     (shim_process_is_init(p) && task_find(s, p->id)->paused))) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "cannot delete %s: it is %s",
			   shim_process_name(p),
			   p->state == PROCESS_CREATING ? "still being created" :
			   task_find(s, p->id)->paused && shim_process_is_init(p) ? "paused" :
										    "running");
		return;
	}
	p->deleting = true;
	if (shim_process_is_init(p)) {
		sandbox_remove_container(s->sandbox, p->id, on_removed, change_new(p, call));
		return;
	}
	shim_process_ref(p);
	shim_process_remove(p);
	reply_deleted(p, call);
	shim_process_unref(p);
}

/* ---- terminal and input ------------------------------------------------------------- */

void service_resize_pty(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__ResizePtyRequest *req =
		(const Containerd__Task__V2__ResizePtyRequest *)msg;
	struct process *p = service_process(ctx, call, req->id, req->exec_id);
	struct shim *s = ctx;

	if (!p)
		return;
	/* As with runc's shim; clients tell a size without asking what it is of. */
	if (!p->terminal) {
		service_reply_empty(call);
		return;
	}
	p->width = req->width;
	p->height = req->height;
	if (p->state == PROCESS_RUNNING && !p->exited)
		sandbox_resize_tty(s->sandbox, p->id, p->exec_id, req->width, req->height,
				   service_done, call);
	else /* shim_process_started() makes up for it */
		service_reply_empty(call);
}

void service_close_io(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Task__V2__CloseIORequest *req =
		(const Containerd__Task__V2__CloseIORequest *)msg;
	struct process *p = service_process(ctx, call, req->id, req->exec_id);

	if (!p)
		return;
	if (req->stdin && p->io)
		streams_close_input(p->io);
	service_reply_empty(call);
}
