/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/shim.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "host/shim/creation.h"
#include "host/shim/events.h"
#include "host/shim/management.h"
#include "host/shim/pod.h"
#include "host/shim/service.h"
#include "host/shim/task.h"
#include "host/shim/traces.h"

/* ---- calls that wait ---------------------------------------------------------- */

static void on_cancel(struct ttrpc_call *call, void *arg)
{
	struct pending_call *p = arg;

	list_del(&p->link);
	free(p);
	ttrpc_fail(call, TTRPC_CANCELLED, "the client has gone");
}

void pending_add(struct list *list, struct ttrpc_call *call)
{
	struct pending_call *p = xcalloc(1, sizeof(*p));

	p->call = call;
	list_add_tail(list, &p->link);
	ttrpc_call_on_cancel(call, on_cancel, p);
}

struct ttrpc_call *pending_take(struct list *list)
{
	struct pending_call *p;
	struct ttrpc_call *call;

	if (list_empty(list))
		return NULL;
	p = container_of(list->next, struct pending_call, link);
	call = p->call;
	list_del(&p->link);
	free(p);
	ttrpc_call_on_cancel(call, NULL, NULL);
	return call;
}

/* ---- the end ------------------------------------------------------------------ */

static void on_over(void *arg)
{
	struct shim *s = arg;

	s->over = true;
	loop_stop(s->loop, s->status);
}

static void answer_end(struct ttrpc_call *call)
{
	Containerd__Runtime__Sandbox__V1__ShutdownSandboxResponse rsp =
		CONTAINERD__RUNTIME__SANDBOX__V1__SHUTDOWN_SANDBOX_RESPONSE__INIT;

	if (str_ends(ttrpc_call_name(call), "/ShutdownSandbox"))
		ttrpc_reply(call, &rsp.base);
	else
		service_reply_empty(call);
}

static void answer_ends(struct shim *s, const struct err *err)
{
	struct ttrpc_call *call;

	while ((call = pending_take(&s->ends))) {
		if (err->code)
			ttrpc_fail_err(call, err);
		else
			answer_end(call);
	}
}

static void on_flushed(void *arg)
{
	struct shim *s = arg;

	loop_remove(&s->limit);
	answer_ends(s, &s->end_err);
	/* In the next round, when the answers are on their way. */
	loop_defer(s->loop, on_over, s);
}

static void on_waited(void *arg)
{
	struct shim *s = arg;

	s->limit = NULL;
	answer_ends(s, &s->end_err);
}

/* Nothing is left on disk when the caller of Shutdown hears of the end. */
static void finish(struct shim *s, const struct err *failure)
{
	struct err err = *failure;
	bool asked = !list_empty(&s->ends);

	loop_remove(&s->limit);
	s->resting = true;
	pod_machine_died(s->pod); /* who waits for the pod hears of its end, too */
	if (traces_remove(&s->opt, err.code ? NULL : &err) < 0)
		log_error("%s", err_msg(&err));
	s->status = err.code ? EXIT_FAILURE : EXIT_SUCCESS;
	/*
	 * The Task service has no better word for a machine that ended by itself.
	 * containerd, which sees that its tasks were killed, would take it for a failure.
	 */
	if (err.code == 0 && s->opt.owner_fd >= 0)
		err = s->death;
	s->end_err = err;
	s->limit = loop_add_timer(s->loop, SHIM_ANSWER_LIMIT_MS, on_waited, s);
	events_flush(s->events, asked ? SHIM_ANSWERED_LIMIT_MS : SHIM_EVENTS_LIMIT_MS, on_flushed,
		     s);
}

static void on_stopped(const struct err *err, void *arg)
{
	struct shim *s = arg;
	struct err failure = ERR_INIT;

	if (err)
		failure = *err;
	sandbox_destroy(take_ptr(s->sandbox));
	finish(s, &failure);
}

static void end_sandbox(struct shim *s)
{
	const struct err none = ERR_INIT;

	if (s->booting)
		creation_abort(s->booting); /* shim_booted() comes back here */
	else if (pod_is_starting(s->pod))
		pod_abort(s->pod);
	else if (s->sandbox)
		sandbox_stop(s->sandbox, on_stopped, s);
	else
		finish(s, &none);
}

/* What is left is for `delete`, which works from the state file. */
static void on_limit(void *arg)
{
	struct shim *s = arg;

	s->limit = NULL;
	log_error("the sandbox does not end within %d s", SHIM_END_LIMIT_MS / 1000);
	s->status = EXIT_FAILURE;
	on_over(s);
}

void shim_end(struct shim *s, const char *why)
{
	if (s->ending)
		return;
	s->ending = true;
	log_info("ending: %s", why);
	loop_remove(&s->idle);
	loop_remove(&s->owner);
	s->limit = loop_add_timer(s->loop, SHIM_END_LIMIT_MS, on_limit, s);
	end_sandbox(s);
}

/* Who gave a start up by going away has left nothing to wait for. */
void shim_booted(struct shim *s)
{
	s->booting = NULL;
	if (s->ending)
		end_sandbox(s);
	else if (!s->sandbox && !s->pod && ttrpc_server_connections(s->server) == 0)
		shim_end(s, "its client has gone before there was a sandbox");
}

bool shim_is_booting(const struct shim *s)
{
	return s->booting || pod_is_starting(s->pod);
}

void shim_machine_died(const struct err *why, void *arg)
{
	struct shim *s = arg;
	struct list *it;

	log_line(s->resting ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "%s", err_msg(why));
	s->death = *why;
	list_for_each(it, &s->tasks)
		task_machine_died(container_of(it, struct task, link));
	pod_machine_died(s->pod);
}

/* The owner of a sandbox that it did not leave alone deletes it at once. */
void shim_stopped_one(struct shim *s)
{
	struct list *it;

	if (s->ending || shim_is_booting(s) || s->pod || s->owner || s->death.code || !s->sandbox)
		return;
	if (list_empty(&s->tasks))
		return;
	list_for_each(it, &s->tasks) {
		const struct task *t = container_of(it, struct task, link);

		if (!t->init->standin || t->init->state != PROCESS_STOPPED)
			return;
	}
	log_info("all containers have stopped: so does the machine");
	s->resting = true;
	sandbox_rest(s->sandbox);
}

/* ---- why it may end by itself --------------------------------------------------- */

/*
 * containerd up to 1.6 keeps its connection to a shim whose task was never made, or was
 * deleted while it was started anew, and speaks of it to nobody. Who owns the shim, on the
 * other hand, may take long over what it does next.
 */
static void on_idle(void *arg)
{
	struct shim *s = arg;

	s->idle = NULL;
	if (ttrpc_server_connections(s->server) == 0)
		shim_end(s, "there is neither a task nor a client");
	else if (s->opt.owner_fd < 0 && !s->pod && s->calls == s->idle_calls)
		shim_end(s, "there is no task, and the client is silent");
	else
		shim_watch_idle(s);
}

void shim_watch_idle(struct shim *s)
{
	loop_remove(&s->idle);
	s->idle_calls = s->calls;
	if (list_empty(&s->tasks) && !pod_holds(s->pod) && !s->ending)
		s->idle = loop_add_timer(s->loop, s->opt.idle_ms, on_idle, s);
}

/* The owner has done its part: from now on the sandbox is its own. */
static void keep(struct shim *s)
{
	loop_remove(&s->owner);
	close_fd(&s->opt.owner_fd);
	shim_stopped_one(s); /* after `run --keep` */
}

static void on_owner(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	char byte = 0;

	(void)src;
	if (!(events & EPOLLIN) || read(fd, &byte, 1) != 1)
		shim_end(arg, "the owner has gone");
	else if (byte == SHIM_KEEP)
		keep(arg);
}

/* "containerd.task.v2.Task/CloseIO" is the action close_io. */
static void on_call(const char *name, int64_t ms, void *arg)
{
	const char *method = strrchr(name, '/') + 1;
	auto_str struct str action = STR_INIT;
	struct shim *s = arg;

	s->calls++;
	if (!str_starts(name, "containerd."))
		return;
	for (const char *p = method; *p; p++) {
		if (p > method && isupper((unsigned char)*p) && islower((unsigned char)p[-1]))
			str_putc(&action, '_');
		str_putc(&action, (char)tolower((unsigned char)*p));
	}
	prom_observe(&s->rpcs, str_text(&action), ms);
}

struct shim *shim_new(struct loop *loop, const struct shim_options *opt)
{
	struct shim *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->opt = *opt;
	list_init(&s->tasks);
	list_init(&s->ends);
	s->server = ttrpc_server_new(loop);
	s->events = events_new(loop,
			       &(const struct events_options){ .namespace = opt->namespace,
							       .ttrpc_address = opt->ttrpc_address,
							       .binary = opt->publish_binary,
							       .address = opt->containerd });
	service_add(s->server, s);
	ttrpc_server_observe(s->server, on_call, s);
	s->management = management_new(s);
	if (opt->owner_fd >= 0) {
		s->owner = loop_add_fd(loop, opt->owner_fd, EPOLLIN, on_owner, s);
		if (!s->owner)
			log_error("cannot watch the owner: %s", strerror(errno));
	}
	shim_watch_idle(s);
	return s;
}

void shim_free(struct shim *s)
{
	if (!s)
		return;
	while (!list_empty(&s->tasks))
		task_remove(container_of(s->tasks.next, struct task, link));
	management_free(s->management);
	pod_free(s->pod);
	ttrpc_server_free(s->server);
	prom_histogram_free(&s->rpcs);
	events_free(s->events);
	loop_remove(&s->owner);
	loop_remove(&s->idle);
	loop_remove(&s->limit);
	close_fd(&s->opt.owner_fd);
	free(s);
}
