/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/process.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/control.h"
#include "host/shim/service.h"
#include "host/shim/task_events.h"
#include "proto/task.pb-c.h"

/* So long after an end memory may turn out to be its reason. */
#define LATE_MS 200

struct process *shim_process_new(struct shim *s, const char *id, const char *exec_id)
{
	struct process *p = xcalloc(1, sizeof(*p));

	p->refs = 1;
	p->shim = s;
	p->id = xstrdup(id);
	p->exec_id = xstrdup(exec_id ? exec_id : "");
	list_init(&p->link);
	list_init(&p->waiters);
	return p;
}

struct process *shim_process_ref(struct process *p)
{
	p->refs++;
	return p;
}

static void fail_waiters(struct process *p)
{
	struct ttrpc_call *call;

	while ((call = pending_take(&p->waiters)))
		ttrpc_fail(call, TTRPC_NOT_FOUND, "%s was deleted", shim_process_name(p));
}

void shim_process_unref(struct process *p)
{
	if (!p || --p->refs > 0)
		return;
	fail_waiters(p);
	streams_free(p->io);
	standin_free(p->standin);
	if (p->spec)
		grpc__process__free_unpacked(p->spec, NULL);
	free(p->id);
	free(p->exec_id);
	free(p->in);
	free(p->out);
	free(p->err);
	free(p);
}

bool shim_process_is_init(const struct process *p)
{
	return !*p->exec_id;
}

const char *shim_process_name(const struct process *p)
{
	static char name[320];

	if (shim_process_is_init(p))
		snprintf(name, sizeof(name), "container %s", p->id);
	else
		snprintf(name, sizeof(name), "process %s of container %s", p->exec_id, p->id);
	return name;
}

uint32_t shim_process_pid(const struct process *p)
{
	const struct shim *s = p->shim;

	if (p->standin)
		return (uint32_t)standin_pid(p->standin);
	return s->sandbox ? (uint32_t)sandbox_pid(s->sandbox) : 0;
}

int shim_process_open_streams(struct process *p, struct ttrpc_call *call, bool terminal,
			      const char *in, const char *out, const char *err_where,
			      struct err *err)
{
	int fds[TTRPC_FDS_MAX], r;
	struct streams_where where = {
		.in = in,
		.out = out,
		.err = err_where,
		.terminal = terminal,
		.fds = fds,
		.n_fds = ttrpc_call_fds(call),
	};

	for (size_t i = 0; i < where.n_fds; i++)
		fds[i] = ttrpc_call_take_fd(call, i);
	r = streams_open(p->shim->loop, &where, &p->io, err);
	for (size_t i = 0; i < where.n_fds; i++)
		close_fd(&fds[i]);
	if (r < 0)
		return r;
	p->terminal = terminal;
	p->in = xstrdup(in);
	p->out = xstrdup(out);
	p->err = xstrdup(err_where);
	return 0;
}

/* ---- its end ----------------------------------------------------------------- */

static void answer(const struct process *p, struct ttrpc_call *call)
{
	Containerd__Task__V2__WaitResponse rsp = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	Google__Protobuf__Timestamp at = service_timestamp(p->exited_at);

	rsp.exit_status = p->exit_status;
	rsp.exited_at = &at;
	ttrpc_reply(call, &rsp.base);
}

void shim_process_wait(struct process *p, struct ttrpc_call *call)
{
	if (p->state == PROCESS_STOPPED)
		answer(p, call);
	else
		pending_add(&p->waiters, call);
}

/* They die with its namespaces; one that does not is not waited for any longer. */
#define OTHERS_LIMIT_MS 1000

static bool others_run(const struct task *t)
{
	struct list *it;

	list_for_each(it, &t->execs)
		if (container_of(it, struct process, link)->state == PROCESS_RUNNING)
			return true;
	return false;
}

static void stopped(struct process *p);

static void on_patience(void *arg)
{
	struct process *p = arg;

	p->held = NULL;
	stopped(p);
}

/* One of those that init waits for has ended. */
static void look_at_init(struct task *t)
{
	if (!t || !t->init->held || others_run(t))
		return;
	loop_remove(&t->init->held);
	stopped(t->init);
}

static void on_drained(void *arg)
{
	struct process *p = arg;
	struct task *t = task_find(p->shim, p->id);

	streams_free(take_ptr(p->io));
	if (t && p == t->init && !p->deleting && others_run(t))
		p->held = loop_add_timer(p->shim->loop, OTHERS_LIMIT_MS, on_patience, p);
	else
		stopped(p);
}

static void tell_end(struct process *p)
{
	struct shim *s = p->shim;
	struct ttrpc_call *call;
	struct err err = ERR_INIT;

	p->state = PROCESS_STOPPED;
	log_info("%s has ended with status %u", shim_process_name(p), p->exit_status);
	if (shim_process_is_init(p) && s->sandbox && !p->deleting &&
	    sandbox_set_status(s->sandbox, p->id, "stopped", &err) < 0)
		log_warn("container %s: %s", p->id, err_msg(&err));
	task_event_exited(p);
	while ((call = pending_take(&p->waiters)))
		answer(p, call);
	standin_end(p->standin, p->exit_status);
	if (shim_process_is_init(p) && !p->deleting) {
		struct task *t = task_find(s, p->id);

		if (t)
			task_stopped(t);
		shim_stopped_one(s);
	}
	/* Who holds the stand-in has its status from that, and asks here for nothing any more. */
	if (p->standin && !shim_process_is_init(p) && !p->deleting) {
		p->deleting = true;
		shim_process_remove(p);
	}
	look_at_init(task_find(s, p->id));
	shim_process_unref(p);
}

static void on_late(void *arg)
{
	struct process *p = arg;

	p->late = NULL;
	tell_end(p);
}

/*
 * That memory ran out comes by another way than the end that it led to, and may come later.
 * What stands for the container ends when both are known: engines look once, at its end.
 */
static void stopped(struct process *p)
{
	if (p->standin && shim_process_is_init(p) && p->exit_status == STATUS_KILLED &&
	    !p->killed && !p->deleting && !p->shim->ending)
		p->late = loop_add_timer(p->shim->loop, LATE_MS, on_late, p);
	else
		tell_end(p);
}

void shim_process_ran_out(struct process *p)
{
	p->killed = true;
	if (!p->late)
		return;
	loop_remove(&p->late);
	tell_end(p);
}

void shim_process_exited(struct process *p, uint32_t status)
{
	if (p->exited)
		return;
	p->exited = true;
	p->exit_status = status;
	clock_gettime(CLOCK_REALTIME, &p->exited_at);
	shim_process_ref(p);
	if (p->io)
		streams_finish(p->io, on_drained, p);
	else
		on_drained(p);
}

static void on_ended(const struct err *err, uint32_t status, void *arg)
{
	struct process *p = arg;

	if (err) {
		log_warn("%s: cannot see its end: %s", shim_process_name(p), err_msg(err));
		status = STATUS_KILLED;
		p->killed = true;
	}
	shim_process_exited(p, status);
	shim_process_unref(p);
}

static void on_resized(const struct err *err, void *arg)
{
	struct process *p = arg;

	if (err)
		log_debug("%s: terminal size: %s", shim_process_name(p), err_msg(err));
	shim_process_unref(p);
}

static void tell_size(struct process *p)
{
	sandbox_resize_tty(p->shim->sandbox, p->id, p->exec_id, p->width, p->height, on_resized,
			   shim_process_ref(p));
}

void shim_process_size_terminal(struct process *p)
{
	if (!p->terminal || !p->width || !p->height)
		return;
	if (shim_process_is_init(p)) {
		tell_size(p);
	} else if (p->spec && !p->spec->consolesize) {
		p->spec->consolesize = xmalloc(sizeof(*p->spec->consolesize));
		grpc__box__init(p->spec->consolesize);
		p->spec->consolesize->width = p->width;
		p->spec->consolesize->height = p->height;
	}
}

void shim_process_started(struct process *p)
{
	struct sandbox *sb = p->shim->sandbox;

	p->state = PROCESS_RUNNING;
	p->ran = true;
	if (p->terminal && p->width && p->height)
		tell_size(p);
	streams_start(p->io, sb, p->id, p->exec_id);
	sandbox_wait(sb, p->id, p->exec_id, on_ended, shim_process_ref(p));
}

void shim_process_remove(struct process *p)
{
	list_del(&p->link);
	if (p->held) {
		loop_remove(&p->held);
		shim_process_unref(p);
	}
	if (!shim_process_is_init(p) && p->shim->sandbox)
		sandbox_drop_exec(p->shim->sandbox, p->id, p->exec_id);
	if (p->state != PROCESS_RUNNING)
		fail_waiters(p);
	shim_process_unref(p);
}
