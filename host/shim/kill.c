/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/kill.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "host/shim/change.h"
#include "host/shim/service.h"

struct change *change_new(struct process *p, struct ttrpc_call *call)
{
	struct change *c = xmalloc(sizeof(*c));

	c->p = shim_process_ref(p);
	c->call = call;
	return c;
}

void change_free(struct change *c)
{
	shim_process_unref(c->p);
	free(c);
}

/* Answer, or write down, what came of it. */
static void tell(const struct change *c, const struct err *err)
{
	if (c->call)
		service_done(err, c->call);
	else if (err)
		log_info("%s: signal: %s", shim_process_name(c->p), err_msg(err));
}

/* What was never started is not watched: that it was killed is all there is to know. */
static void on_created_killed(const struct err *err, void *arg)
{
	struct change *c = arg;

	if (!err)
		shim_process_exited(c->p, STATUS_KILLED);
	tell(c, err);
	change_free(c);
}

/*
 * The program is not there yet that could handle a signal: those by which a user ends what
 * handles none end it, others find nobody. As with runc, neither is a mistake.
 */
static bool ends_created(const struct process *p, uint32_t signo)
{
	return signo == SIGKILL || signo == SIGTERM ||
	       (shim_process_is_init(p) &&
		(signo == SIGHUP || signo == SIGINT || signo == SIGQUIT));
}

static void kill_created(struct process *p, struct ttrpc_call *call)
{
	struct change *c = change_new(p, call);

	if (shim_process_is_init(p))
		sandbox_signal(p->shim->sandbox, p->id, "", SIGKILL, true, on_created_killed, c);
	else /* it exists nowhere but here */
		on_created_killed(NULL, c);
}

static void on_killed(const struct err *err, void *arg)
{
	struct change *c = arg;

	/* Its output must not keep it: who was to read that may be gone for good. */
	if (!err && c->p->io)
		streams_expire(c->p->io, STREAMS_QUIET_MS);
	tell(c, err);
	change_free(c);
}

static void on_signalled(const struct err *err, void *arg)
{
	struct change *c = arg;

	tell(c, err);
	change_free(c);
}

static void refuse(struct process *p, struct ttrpc_call *call, enum ttrpc_code code,
		   const char *why)
{
	if (call)
		ttrpc_fail(call, code, "%s %s", shim_process_name(p), why);
}

void kill_process(struct process *p, uint32_t signo, bool all, struct ttrpc_call *call)
{
	bool ends = signo == SIGKILL || signo == SIGTERM;

	p->killed |= signo == SIGKILL;
	if (p->state == PROCESS_STOPPED || p->exited) {
		/* The kubelet kills what has ended, and takes an error for a failure. */
		if (ends && call && !p->standin)
			service_reply_empty(call);
		else
			refuse(p, call, TTRPC_NOT_FOUND, "has already finished");
	} else if (p->state == PROCESS_CREATED && !p->deleting && ends_created(p, signo)) {
		kill_created(p, call);
	} else if (p->state == PROCESS_CREATED && !p->deleting && shim_process_is_init(p)) {
		if (call && signo < _NSIG)
			service_reply_empty(call);
		else if (call)
			ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "no signal %" PRIu32, signo);
	} else if (p->state != PROCESS_RUNNING) {
		refuse(p, call, TTRPC_FAILED_PRECONDITION, "is not running");
	} else {
		/*
		 * As the original does, a signal to init is for all; other runtimes of a
		 * command line send it to one.
		 */
		if (shim_process_is_init(p) && (!p->standin || signo == SIGKILL))
			all = true;
		sandbox_signal(p->shim->sandbox, p->id, p->exec_id, signo, all,
			       signo == SIGKILL ? on_killed : on_signalled, change_new(p, call));
	}
}

/* ---- processes that nobody stands for --------------------------------------------- */

static void on_removed(const struct err *err, void *arg)
{
	struct change *c = arg;
	struct task *t = task_find(c->p->shim, c->p->id);

	if (err)
		log_warn("%s: cannot remove it: %s", shim_process_name(c->p), err_msg(err));
	if (t && t->init == c->p)
		task_remove(t);
	change_free(c);
}

static void on_forgotten(const struct err *err, void *arg)
{
	struct change *c = arg;
	struct shim *s = c->p->shim;

	on_removed(err, c);
	/* Nor is there anybody who would come for the sandbox. */
	if (list_empty(&s->tasks))
		shim_end(s, "its last container was forgotten");
}

void kill_forgotten(struct process *p)
{
	if (p->deleting || p->shim->ending)
		return;
	p->deleting = true;
	sandbox_remove_container(p->shim->sandbox, p->id, on_forgotten, change_new(p, NULL));
}

void kill_abandoned(struct process *p, bool keep)
{
	bool init = shim_process_is_init(p);
	struct err err = ERR_INIT;

	/* While it is made or started, those who do that see to it; hooks may take long. */
	if (p->state == PROCESS_CREATING && p->shim->sandbox) {
		err_set(&err, ECANCELED, "%s: its stand-in process has died", shim_process_name(p));
		sandbox_cancel_container(p->shim->sandbox, p->id, &err);
	}
	/* The sandbox's end takes it along. */
	if (p->exited || p->deleting || p->shim->ending || p->state == PROCESS_CREATING ||
	    p->state == PROCESS_STARTING)
		return;
	if (keep || (!init && p->state == PROCESS_RUNNING)) {
		kill_process(p, SIGKILL, init, NULL);
	} else if (init) {
		p->deleting = true;
		sandbox_remove_container(p->shim->sandbox, p->id, on_removed, change_new(p, NULL));
	} else {
		shim_process_remove(p);
	}
}
