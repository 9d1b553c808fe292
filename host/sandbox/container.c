/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/core.h"
#include "host/sandbox/loopback.h"
#include "host/sandbox/names.h"
#include "host/sandbox/network.h"

struct container *container_find(struct sandbox *sb, const char *id)
{
	struct list *it;

	list_for_each(it, &sb->containers) {
		struct container *c = container_of(it, struct container, link);

		if (!strcmp(c->id, id))
			return c;
	}
	return NULL;
}

static struct process *find_process(struct container *c, const char *exec_id)
{
	struct list *it;

	list_for_each(it, &c->processes) {
		struct process *p = container_of(it, struct process, link);

		if (!strcmp(p->exec_id, exec_id))
			return p;
	}
	return NULL;
}

struct process *container_process(struct sandbox *sb, const char *id, const char *exec_id,
				  struct err *err)
{
	struct container *c = container_find(sb, id);
	struct process *p;

	if (!c) {
		err_set(err, ENOENT, "container %s does not exist", id);
		return NULL;
	}
	p = find_process(c, exec_id && *exec_id ? exec_id : c->id);
	if (!p)
		err_set(err, ENOENT, "container %s has no process %s", id, exec_id);
	return p;
}

static void free_process(struct process *p)
{
	list_del(&p->link);
	process_exited(p, STATUS_KILLED);
	process_unref(p);
}

void container_free(struct container *c)
{
	struct err err = ERR_INIT;

	err_set(&err, ECANCELED, "container %s is being removed", c->id);
	hooking_cancel(c->sb, c, &err);
	list_del(&c->link);
	while (!list_empty(&c->processes))
		free_process(container_of(c->processes.next, struct process, link));
	if (c->hooks)
		grpc__hooks__free_unpacked(c->hooks, NULL);
	strv_free(&c->disks);
	image_root_release(&c->image);
	volumes_free(c->volumes);
	strv_free(&c->shared);
	free(c->netns);
	free(c->resolv_conf);
	free(c->bundle);
	free(c->id);
	free(c);
}

/* One request about a container or a process of it, and who is told how it went. */
struct errand {
	struct sandbox *sb;
	char *id;
	struct process *p; /* a reference, or NULL */
	sandbox_done done;
	void *arg;
};

static struct errand *errand_new(struct sandbox *sb, const char *id, struct process *p,
				 sandbox_done done, void *arg)
{
	struct errand *e = xmalloc(sizeof(*e));

	*e = (struct errand){
		.sb = sb,
		.id = xstrdup(id),
		.p = p ? process_ref(p) : NULL,
		.done = done,
		.arg = arg,
	};
	return e;
}

static void errand_end(struct errand *e, const struct err *err)
{
	sandbox_done done = e->done;
	void *arg = e->arg;

	if (e->p)
		process_unref(e->p);
	free(e->id);
	free(e);
	done(err, arg);
}

/* ---- running ---------------------------------------------------------------- */

static void on_started(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct errand *e = arg;

	(void)rsp;
	if (!err) {
		process_started(e->p);
		/* Nobody listens in there before; and it takes the host a while. */
		loopback_begin(e->sb);
	}
	errand_end(e, err);
}

static void on_network(const struct err *err, void *arg)
{
	Grpc__StartContainerRequest req = GRPC__START_CONTAINER_REQUEST__INIT;
	struct errand *e = arg;

	if (err) {
		on_started(NULL, err, e);
		return;
	}
	/* In that order on the connection: its first question is taken. */
	names_look(e->sb);
	req.container_id = e->p->container_id;
	call_agent(e->sb, "StartContainer", &req.base, AGENT_CALL_MS, on_started, e);
}

void sandbox_start_container(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, NULL, &err);

	if (!p) {
		call_done(sb, &err, done, arg);
		return;
	}
	/* Docker 26 and later give the pod its network between create and start. */
	network_sync(sb, on_network, errand_new(sb, id, p, done, arg));
}

static void on_exec(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct errand *e = arg;

	(void)rsp;
	if (!err)
		process_started(e->p);
	else if (!list_empty(&e->p->link))
		free_process(e->p);
	errand_end(e, err);
}

static int check_exec(struct sandbox *sb, const char *id, const char *exec_id,
		      Grpc__Process *process, struct err *err)
{
	struct process *old;
	int r;

	if (!container_process(sb, id, NULL, err))
		return err->code;
	r = state_process_id_ok(exec_id) ? 0 : -EINVAL;
	if (r < 0)
		return err_set(err, r, "container %s: invalid exec ID '%s'", id, exec_id);
	old = container_process(sb, id, exec_id, NULL);
	if (old && (!old->exited || !strcmp(exec_id, id)))
		return err_set(err, EEXIST, "container %s: process %s already exists", id, exec_id);
	if (old)
		free_process(old);
	return plan_process(sb->config, process, err);
}

void sandbox_exec(struct sandbox *sb, const char *id, const char *exec_id, Grpc__Process *process,
		  sandbox_done done, void *arg)
{
	Grpc__ExecProcessRequest req = GRPC__EXEC_PROCESS_REQUEST__INIT;
	struct err err = ERR_INIT;
	struct process *p;

	if (check_exec(sb, id, exec_id, process, &err) < 0) {
		call_done(sb, &err, done, arg);
		grpc__process__free_unpacked(process, NULL);
		return;
	}
	p = process_new(container_find(sb, id), exec_id);
	req.container_id = p->container_id;
	req.exec_id = p->exec_id;
	req.process = process;
	call_agent(sb, "ExecProcess", &req.base, AGENT_CALL_MS, on_exec,
		   errand_new(sb, id, p, done, arg));
	grpc__process__free_unpacked(process, NULL);
}

/* ---- removing --------------------------------------------------------------- */

static void on_detached(const struct err *ignored, void *arg)
{
	struct errand *e = arg;
	struct err err = ERR_INIT;

	(void)ignored; /* it was told */
	(void)create_undo(e->sb, e->id, &err);
	errand_end(e, err.code ? &err : NULL);
}

static void on_poststopped(const struct err *ignored, void *arg)
{
	struct errand *e = arg;
	struct container *c = container_find(e->sb, e->id);

	if (c)
		disks_detach(e->sb, c, on_detached, e);
	else
		on_detached(ignored, e);
}

/* With its machine a container has gone, too; so it has when the agent knows none. */
static void on_removed(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct errand *e = arg;
	struct container *c = container_find(e->sb, e->id);
	struct sandbox *sb = e->sb;

	if (!rsp && sb->phase == PHASE_RUNNING && err->code != -ENOENT) {
		if (c)
			c->busy = false;
		errand_end(e, err);
		return;
	}
	/* The hooks are to find it removed; create_undo() tells what could not be. */
	if (sb->share)
		(void)share_remove(sb->share, e->id, NULL);
	if (c)
		hooking_run(c, HOOK_POSTSTOP, on_poststopped, e);
	else
		on_poststopped(NULL, e);
}

void sandbox_remove_container(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	Grpc__RemoveContainerRequest req = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, NULL, &err);
	struct container *c = container_find(sb, id);

	if (p && c->busy)
		err_set(&err, EBUSY, "container %s is being made or removed", id);
	if (err.code) {
		call_done(sb, &err, done, arg);
		return;
	}
	c->busy = true;
	err_set(&err, ECANCELED, "container %s is being removed", id);
	hooking_cancel(sb, c, &err);
	req.container_id = p->container_id;
	call_agent(sb, "RemoveContainer", &req.base, AGENT_CALL_MS, on_removed,
		   errand_new(sb, id, NULL, done, arg));
}
