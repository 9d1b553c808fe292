/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/core.h"

struct waiter {
	struct list link;
	struct process *p; /* a reference */
	sandbox_exit_cb cb;
	void *arg;
};

struct process *process_new(struct container *c, const char *exec_id)
{
	struct process *p = xcalloc(1, sizeof(*p));

	p->sb = c->sb;
	p->refs = 1;
	p->container_id = xstrdup(c->id);
	p->exec_id = xstrdup(exec_id);
	list_init(&p->waiters);
	list_add_tail(&c->processes, &p->link);
	return p;
}

struct process *process_ref(struct process *p)
{
	p->refs++;
	return p;
}

void process_unref(struct process *p)
{
	if (--p->refs > 0)
		return;
	loop_remove(&p->look);
	free(p->container_id);
	free(p->exec_id);
	free(p);
}

static void tell(struct waiter *w)
{
	struct process *p = w->p;
	uint32_t status = p->status;
	sandbox_exit_cb cb = w->cb;
	void *arg = w->arg;

	list_del(&w->link);
	free(w);
	process_unref(p);
	cb(NULL, status, arg);
}

void process_exited(struct process *p, uint32_t status)
{
	if (p->exited)
		return;
	process_ref(p);
	p->exited = true;
	p->status = status;
	while (!list_empty(&p->waiters))
		tell(container_of(p->waiters.next, struct waiter, link));
	process_unref(p);
}

static void ask(struct process *p);

static void on_exit_status(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Grpc__WaitProcessResponse *answer = (const Grpc__WaitProcessResponse *)rsp;
	struct process *p = arg;

	if (answer) {
		process_exited(p, (uint32_t)answer->status);
	} else if (err->code == -ECONNRESET && !p->exited) {
		ask(p);
	} else if (!p->exited) {
		log_warn("container %s, process %s: %s", p->container_id, p->exec_id, err_msg(err));
		process_exited(p, STATUS_KILLED);
	}
	process_unref(p);
}

static void ask(struct process *p)
{
	Grpc__WaitProcessRequest req = GRPC__WAIT_PROCESS_REQUEST__INIT;

	req.container_id = p->container_id;
	req.exec_id = p->exec_id;
	call_agent(p->sb, "WaitProcess", &req.base, 0, on_exit_status, process_ref(p));
}

void process_look(struct process *p)
{
	if (!p->started || p->waiting || p->exited || p->out == STREAM_OPEN ||
	    p->err == STREAM_OPEN)
		return;
	p->waiting = true;
	ask(p);
}

static void on_look(void *arg)
{
	struct process *p = arg;

	p->look = NULL;
	process_look(p);
}

/* Later, so that who is about to hear of the start can begin to read. */
void process_started(struct process *p)
{
	p->started = true;
	if (!p->look)
		p->look = loop_defer(p->sb->loop, on_look, p);
}

/* ---- what the sandbox's user waits for -------------------------------------- */

struct later {
	sandbox_exit_cb cb;
	void *arg;
	uint32_t status;
};

static void on_later(const struct err *err, void *arg)
{
	struct later l = *(struct later *)arg;

	free(arg);
	l.cb(err, l.status, l.arg);
}

void sandbox_wait(struct sandbox *sb, const char *id, const char *exec_id, sandbox_exit_cb cb,
		  void *arg)
{
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, exec_id, &err);
	struct waiter *w;

	if (!p || p->exited) {
		struct later *l = xmalloc(sizeof(*l));

		*l = (struct later){ cb, arg, p ? p->status : 0 };
		call_done(sb, p ? NULL : &err, on_later, l);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	w->p = process_ref(p);
	w->cb = cb;
	w->arg = arg;
	list_add_tail(&p->waiters, &w->link);
}

void sandbox_signal(struct sandbox *sb, const char *id, const char *exec_id, uint32_t signo,
		    bool all, sandbox_done done, void *arg)
{
	Grpc__SignalProcessRequest req = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, exec_id, &err);

	if (!p) {
		call_done(sb, &err, done, arg);
		return;
	}
	req.container_id = p->container_id;
	/* The agent takes no exec id for all of them. */
	if (!all)
		req.exec_id = p->exec_id;
	req.signal = signo;
	call_simple(sb, "SignalProcess", &req.base, AGENT_CALL_MS, done, arg);
}
