/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/control.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/core.h"

/* After an answer that makes no sense, so that an agent that repeats it is no busy loop. */
#define OOM_RETRY_MS 1000

void sandbox_pause(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	Grpc__PauseContainerRequest req = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, NULL, &err);

	if (!p) {
		call_done(sb, &err, done, arg);
		return;
	}
	req.container_id = p->container_id;
	call_simple(sb, "PauseContainer", &req.base, AGENT_CALL_MS, done, arg);
}

void sandbox_resume(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	Grpc__ResumeContainerRequest req = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, NULL, &err);

	if (!p) {
		call_done(sb, &err, done, arg);
		return;
	}
	req.container_id = p->container_id;
	call_simple(sb, "ResumeContainer", &req.base, AGENT_CALL_MS, done, arg);
}

/* ---- limits ------------------------------------------------------------------ */

struct update {
	struct sandbox *sb;
	char *id;
	Grpc__LinuxResources *res;
	struct load_limits before;
	sandbox_done done;
	void *arg;
};

static void on_sized(const struct err *err, void *arg)
{
	Grpc__UpdateContainerRequest req = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	struct update u = *(struct update *)arg;
	struct container *c = container_find(u.sb, u.id);

	free(arg);
	if (err && c)
		c->limits = u.before;
	if (err) {
		call_done(u.sb, err, u.done, u.arg);
	} else {
		req.container_id = u.id;
		req.resources = u.res;
		call_simple(u.sb, "UpdateContainer", &req.base, AGENT_CALL_MS, u.done, u.arg);
	}
	grpc__linux_resources__free_unpacked(u.res, NULL);
	free(u.id);
}

static Grpc__LinuxResources *copy_resources(const Grpc__LinuxResources *res)
{
	size_t len = grpc__linux_resources__get_packed_size(res);
	auto_free uint8_t *bytes = xmalloc(len + 1);

	grpc__linux_resources__pack(res, bytes);
	return grpc__linux_resources__unpack(NULL, len, bytes);
}

/* The machine first: a container may use at once what it is allowed to. */
void sandbox_update(struct sandbox *sb, const char *id, Grpc__LinuxResources *res,
		    sandbox_done done, void *arg)
{
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, NULL, &err);
	struct container *c = container_find(sb, id);
	struct update *u;

	if (!p) {
		call_done(sb, &err, done, arg);
		return;
	}
	u = xmalloc(sizeof(*u));
	*u = (struct update){ .sb = sb,
			      .id = xstrdup(p->container_id),
			      .res = copy_resources(res),
			      .before = c->limits,
			      .done = done,
			      .arg = arg };
	load_merge(&c->limits, res);
	resize_sandbox(sb, on_sized, u);
}

/* ---- questions -------------------------------------------------------------- */

struct question {
	sandbox_stats_cb stats;
	sandbox_list_cb list;
	void *arg;
};

static void on_stats(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct question q = *(struct question *)arg;

	free(arg);
	q.stats(err, (const Grpc__StatsContainerResponse *)rsp, q.arg);
}

static void on_no_stats(const struct err *err, void *arg)
{
	on_stats(NULL, err, arg);
}

void sandbox_stats(struct sandbox *sb, const char *id, sandbox_stats_cb cb, void *arg)
{
	Grpc__StatsContainerRequest req = GRPC__STATS_CONTAINER_REQUEST__INIT;
	struct question *q = xcalloc(1, sizeof(*q));
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, NULL, &err);

	q->stats = cb;
	q->arg = arg;
	if (!p) {
		call_done(sb, &err, on_no_stats, q);
		return;
	}
	req.container_id = p->container_id;
	call_agent(sb, "StatsContainer", &req.base, AGENT_CALL_MS, on_stats, q);
}

static void on_list(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Grpc__ListProcessesResponse *list = (const Grpc__ListProcessesResponse *)rsp;
	struct question q = *(struct question *)arg;

	free(arg);
	q.list(err, list ? list->process_list.data : NULL, list ? list->process_list.len : 0,
	       q.arg);
}

static void on_no_list(const struct err *err, void *arg)
{
	on_list(NULL, err, arg);
}

void sandbox_list_processes(struct sandbox *sb, const char *id, const char *format,
			    char *const *args, size_t n_args, sandbox_list_cb cb, void *arg)
{
	Grpc__ListProcessesRequest req = GRPC__LIST_PROCESSES_REQUEST__INIT;
	struct question *q = xcalloc(1, sizeof(*q));
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, NULL, &err);

	q->list = cb;
	q->arg = arg;
	if (!p) {
		call_done(sb, &err, on_no_list, q);
		return;
	}
	req.container_id = p->container_id;
	req.format = (char *)(uintptr_t)format;
	req.args = (char **)(uintptr_t)args;
	req.n_args = n_args;
	call_agent(sb, "ListProcesses", &req.base, AGENT_CALL_MS, on_list, q);
}

void sandbox_ask_agent(struct sandbox *sb, const char *method, const ProtobufCMessage *req,
		       sandbox_reply_cb cb, void *arg)
{
	call_agent(sb, method, req, AGENT_CALL_MS, cb, arg);
}

/* ---- processes that were added, and the guest ------------------------------- */

void sandbox_drop_exec(struct sandbox *sb, const char *id, const char *exec_id)
{
	struct process *p = *exec_id ? container_process(sb, id, exec_id, NULL) : NULL;

	if (!p || (p->started && !p->exited))
		return;
	list_del(&p->link);
	process_unref(p);
}

bool sandbox_guest(const struct sandbox *sb, struct str *address)
{
	if (sb->vm)
		vm_address(sb->vm, address);
	return sb->config && sb->config->agent.debug_console_enabled;
}

/* ---- out of memory ---------------------------------------------------------- */

static void ask_oom(void *arg);

static void on_oom(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Grpc__OOMEvent *event = (const Grpc__OOMEvent *)rsp;
	struct sandbox *sb = arg;

	if (sb->phase != PHASE_RUNNING)
		return;
	if (err && err->code == -ENOSYS) {
		log_warn("sandbox %s: nobody will hear of containers out of memory: %s", sb->st->id,
			 err_msg(err));
		return;
	}
	if (err && err->code != -ECONNRESET) {
		log_info("sandbox %s: %s", sb->st->id, err_msg(err));
		loop_remove(&sb->oom_retry);
		sb->oom_retry = loop_add_timer(sb->loop, OOM_RETRY_MS, ask_oom, sb);
		return;
	}
	if (event)
		sb->oom(event->container_id, sb->oom_arg);
	ask_oom(sb);
}

static void ask_oom(void *arg)
{
	Grpc__GetOOMEventRequest req = GRPC__GET_OOMEVENT_REQUEST__INIT;
	struct sandbox *sb = arg;

	sb->oom_retry = NULL;
	if (sb->phase == PHASE_RUNNING)
		call_agent(sb, "GetOOMEvent", &req.base, 0, on_oom, sb);
}

void sandbox_watch_oom(struct sandbox *sb, sandbox_oom_cb cb, void *arg)
{
	sb->oom = cb;
	sb->oom_arg = arg;
	ask_oom(sb);
}
