/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/task_events.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "host/shim/events.h"
#include "host/shim/service.h"
#include "proto/shim.pb-c.h"

/* ---- for containerd --------------------------------------------------------- */

Containerd__Events__TaskCreate *
task_event_prepare(const Containerd__Task__V2__CreateTaskRequest *req)
{
	Containerd__Events__TaskCreate event = CONTAINERD__EVENTS__TASK_CREATE__INIT;
	Containerd__Events__TaskIO io = CONTAINERD__EVENTS__TASK_IO__INIT;
	auto_free uint8_t *wire = NULL;
	size_t len;

	event.container_id = req->id;
	event.bundle = req->bundle;
	event.rootfs = req->rootfs;
	event.n_rootfs = req->n_rootfs;
	event.io = &io;
	io.stdin = req->stdin;
	io.stdout = req->stdout;
	io.stderr = req->stderr;
	io.terminal = req->terminal;
	wire = xmalloc(containerd__events__task_create__get_packed_size(&event) + 1);
	len = containerd__events__task_create__pack(&event, wire);
	return containerd__events__task_create__unpack(NULL, len, wire);
}

void task_event_created(struct shim *s, Containerd__Events__TaskCreate *event)
{
	event->pid = s->sandbox ? (uint32_t)sandbox_pid(s->sandbox) : 0;
	events_publish(s->events, "/tasks/create", &event->base);
}

void task_event_started(struct process *p)
{
	Containerd__Events__TaskStart start = CONTAINERD__EVENTS__TASK_START__INIT;
	Containerd__Events__TaskExecStarted exec = CONTAINERD__EVENTS__TASK_EXEC_STARTED__INIT;

	if (shim_process_is_init(p)) {
		start.container_id = p->id;
		start.pid = shim_process_pid(p);
		events_publish(p->shim->events, "/tasks/start", &start.base);
	} else {
		exec.container_id = p->id;
		exec.exec_id = p->exec_id;
		exec.pid = shim_process_pid(p);
		events_publish(p->shim->events, "/tasks/exec-started", &exec.base);
	}
}

void task_event_exec_added(struct process *p)
{
	Containerd__Events__TaskExecAdded added = CONTAINERD__EVENTS__TASK_EXEC_ADDED__INIT;

	added.container_id = p->id;
	added.exec_id = p->exec_id;
	events_publish(p->shim->events, "/tasks/exec-added", &added.base);
}

void task_event_deleted(struct process *p)
{
	Containerd__Events__TaskDelete deleted = CONTAINERD__EVENTS__TASK_DELETE__INIT;
	Google__Protobuf__Timestamp at = service_timestamp(p->exited_at);

	if (!shim_process_is_init(p))
		return;
	deleted.container_id = p->id;
	deleted.pid = shim_process_pid(p);
	deleted.exit_status = p->exit_status;
	deleted.exited_at = &at;
	events_publish(p->shim->events, "/tasks/delete", &deleted.base);
}

void task_event_paused(struct task *t)
{
	Containerd__Events__TaskPaused paused = CONTAINERD__EVENTS__TASK_PAUSED__INIT;

	paused.container_id = t->id;
	events_publish(t->shim->events, "/tasks/paused", &paused.base);
}

void task_event_resumed(struct task *t)
{
	Containerd__Events__TaskResumed resumed = CONTAINERD__EVENTS__TASK_RESUMED__INIT;

	resumed.container_id = t->id;
	events_publish(t->shim->events, "/tasks/resumed", &resumed.base);
}

/* ---- for kata-runtime ------------------------------------------------------- */

/*
 * Of those that ran out of memory their number is all there is to remember: one event is as
 * the other. The end comes behind all of them.
 */
static bool has_next(const struct task *t, uint64_t after)
{
	return t->ooms > after || t->init->state == PROCESS_STOPPED;
}

static void answer(const struct task *t, struct ttrpc_call *call, uint64_t after)
{
	Kata__Shim__NextEventResponse rsp = KATA__SHIM__NEXT_EVENT_RESPONSE__INIT;

	if (t->ooms > after) {
		rsp.kind = KATA__SHIM__NEXT_EVENT_RESPONSE__KIND__OOM;
		rsp.number = after + 1;
	} else {
		rsp.kind = KATA__SHIM__NEXT_EVENT_RESPONSE__KIND__EXIT;
		rsp.number = after;
	}
	ttrpc_reply(call, &rsp.base);
}

/* Those that wait have seen all that was before. */
static void wake(struct task *t, uint64_t before)
{
	struct ttrpc_call *call;

	while ((call = pending_take(&t->watchers)))
		answer(t, call, before);
}

void task_event_next(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Kata__Shim__NextEventRequest *req = (const Kata__Shim__NextEventRequest *)msg;
	struct task *t = service_task(ctx, call, req->id);
	uint64_t after;

	if (!t)
		return;
	after = req->after < t->ooms ? req->after : t->ooms;
	if (has_next(t, after))
		answer(t, call, after);
	else
		pending_add(&t->watchers, call);
}

void task_event_end(struct task *t)
{
	struct ttrpc_call *call;

	while ((call = pending_take(&t->watchers)))
		ttrpc_fail(call, TTRPC_NOT_FOUND, "container %s was deleted", t->id);
}

/* ---- for both --------------------------------------------------------------- */

void task_event_exited(struct process *p)
{
	Containerd__Events__TaskExit event = CONTAINERD__EVENTS__TASK_EXIT__INIT;
	Google__Protobuf__Timestamp at = service_timestamp(p->exited_at);
	struct task *t = task_find(p->shim, p->id);

	if (!p->ran && !shim_process_is_init(p))
		return;
	event.container_id = p->id;
	event.id = shim_process_is_init(p) ? p->id : p->exec_id;
	event.pid = shim_process_pid(p);
	event.exit_status = p->exit_status;
	event.exited_at = &at;
	events_publish(p->shim->events, "/tasks/exit", &event.base);
	if (t && p == t->init)
		wake(t, t->ooms);
}

/*
 * As conmon does when a control group of the host runs out of memory: Podman and CRI-O look for
 * this file when the container has ended. containerd has the event.
 */
static void note_oom(const struct task *t)
{
	auto_free char *path = path_join(t->bundle, "oom");
	auto_close int fd = -1;

	if (!t->init->standin)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644);
	if (fd < 0)
		log_warn("container %s: cannot make %s: %s", t->id, path, strerror(errno));
	shim_process_ran_out(t->init);
}

void task_event_oom(const char *id, void *arg)
{
	Containerd__Events__TaskOOM event = CONTAINERD__EVENTS__TASK_OOM__INIT;
	struct shim *s = arg;
	struct task *t = task_find(s, id);

	log_warn("container %s ran out of memory", id);
	if (!t)
		return;
	event.container_id = t->id;
	events_publish(s->events, "/tasks/oom", &event.base);
	t->ooms++;
	wake(t, t->ooms - 1);
	note_oom(t);
}
