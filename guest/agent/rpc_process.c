/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: exec, signal, wait, streams. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/agent/rpc.h"

/* False: @call is answered. */
static bool may_exec(struct container *c, const Grpc__ExecProcessRequest *req,
		     struct ttrpc_call *call)
{
	struct process *old = container_process(c, req->exec_id);

	if (!exec_id_is_valid(req->exec_id))
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "invalid exec id \"%s\"", req->exec_id);
	else if (!req->process || req->process->n_args == 0)
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "exec %s: no process.args", req->exec_id);
	else if (old && (old == c->init || old->state != PROCESS_EXITED || !old->waited))
		ttrpc_fail(call, TTRPC_ALREADY_EXISTS, "process %s exists already", req->exec_id);
	else if (!process_alive(c->init))
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s has ended", c->id);
	else if (c->paused)
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s is paused", c->id);
	else
		return true;
	return false;
}

void rpc_exec_process(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__ExecProcessRequest *req = (const Grpc__ExecProcessRequest *)msg;
	struct container *c = rpc_container(ctx, req->container_id, call);
	struct err err = ERR_INIT;
	struct passfd streams;

	if (!c)
		return;
	if (passfd_take(req->stdin_port, req->stdout_port, req->stderr_port, &streams, &err) < 0) {
		ttrpc_fail_err(call, &err);
		return;
	}
	if (may_exec(c, req, call)) {
		process_free(container_process(c, req->exec_id));
		container_exec(c, call, req, &streams);
	}
	passfd_done(&streams);
}

/* Whether the process handles @signo, by SigCgt of proc_pid_status(5). */
static bool handles(pid_t pid, int signo)
{
	auto_free char *path = xasprintf("/proc/%d/status", (int)pid);
	auto_str struct str text = STR_INIT;
	const char *p;

	if (file_read(path, 65536, &text, NULL) < 0)
		return true;
	p = strstr(str_text(&text), "\nSigCgt:");
	return !p || strtoull(p + strlen("\nSigCgt:"), NULL, 16) >> (signo - 1) & 1;
}

void rpc_signal_process(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__SignalProcessRequest *req = (const Grpc__SignalProcessRequest *)msg;
	int signo = (int)req->signal, r;
	struct process *p = rpc_process(ctx, req->container_id, req->exec_id, call);

	if (!p)
		return;
	/* 0 is kill(2)'s: no signal, but the answer that there is such a process. */
	if (req->signal >= _NSIG) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "no signal %" PRIu32, req->signal);
		return;
	}
	/* The runtimes say "all" by an empty exec id. */
	if (!*req->exec_id && signo == SIGKILL) {
		cgroup_signal(p->container->cgroup, SIGKILL);
		rpc_reply_empty(call);
		return;
	}
	/* The first process of a pid namespace ignores what it does not handle. */
	if (p == p->container->init && signo == SIGTERM && process_alive(p) &&
	    !handles(p->pid, signo))
		signo = SIGKILL;
	r = process_signal(p, signo);
	/* One that has ended needs no signal any more. */
	if (r < 0 && r != -ESRCH)
		ttrpc_fail(call, ttrpc_code_of_errno(r), "signal %d: %s", signo, strerror(-r));
	else
		rpc_reply_empty(call);
}

void rpc_wait_process(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__WaitProcessRequest *req = (const Grpc__WaitProcessRequest *)msg;
	struct process *p = rpc_process(ctx, req->container_id, req->exec_id, call);
	Grpc__WaitProcessResponse rsp = GRPC__WAIT_PROCESS_RESPONSE__INIT;

	if (!p)
		return;
	if (!p->settled) {
		park(&p->waiters, call);
		return;
	}
	p->waited = true;
	rsp.status = p->status;
	ttrpc_reply(call, &rsp.base);
}

void rpc_write_stdin(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__WriteStreamRequest *req = (const Grpc__WriteStreamRequest *)msg;
	struct process *p = rpc_process(ctx, req->container_id, req->exec_id, call);
	Grpc__WriteStreamResponse rsp = GRPC__WRITE_STREAM_RESPONSE__INIT;

	if (!p)
		return;
	if (req->data.len > 0) {
		stream_write(&p->in, call, req);
		return;
	}
	/* The Rust runtime's way to say that there is no more. */
	process_close_input(p);
	ttrpc_reply(call, &rsp.base);
}

void rpc_read_stdout(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__ReadStreamRequest *req = (const Grpc__ReadStreamRequest *)msg;
	struct process *p = rpc_process(ctx, req->container_id, req->exec_id, call);

	if (p && p->tty && req->hang_up) /* this would hang up, and take the input along */
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "a terminal's output stays open");
	else if (p)
		stream_read(&p->out, call, req);
}

/* A terminal has one output: it has no stderr to read. */
void rpc_read_stderr(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__ReadStreamRequest *req = (const Grpc__ReadStreamRequest *)msg;
	struct process *p = rpc_process(ctx, req->container_id, req->exec_id, call);

	if (p)
		stream_read(&p->err, call, req);
}

void rpc_close_stdin(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__CloseStdinRequest *req = (const Grpc__CloseStdinRequest *)msg;
	struct process *p = rpc_process(ctx, req->container_id, req->exec_id, call);

	if (!p)
		return;
	process_close_input(p);
	rpc_reply_empty(call);
}

void rpc_tty_win_resize(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__TtyWinResizeRequest *req = (const Grpc__TtyWinResizeRequest *)msg;
	struct process *p = rpc_process(ctx, req->container_id, req->exec_id, call);
	int r;

	if (!p)
		return;
	r = process_resize(p, req->row, req->column);
	if (r == -ENOTTY)
		ttrpc_fail(call, TTRPC_UNAVAILABLE, "no tty");
	else if (r < 0)
		ttrpc_fail(call, ttrpc_code_of_errno(r), "resize: %s", strerror(-r));
	else
		rpc_reply_empty(call);
}
