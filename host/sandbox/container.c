/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/core.h"
#include "oci/spec.h"

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
	list_del(&c->link);
	while (!list_empty(&c->processes))
		free_process(container_of(c->processes.next, struct process, link));
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

	*e = (struct errand){ sb, xstrdup(id), p ? process_ref(p) : NULL, done, arg };
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

/* ---- making ----------------------------------------------------------------- */

/* Whether the bind mount @m is of something that the guest gets from here. */
static bool is_shared(const Grpc__Mount *m)
{
	enum plan_mount kind = plan_mount(m);
	struct stat st;

	if (kind == PLAN_MOUNT_SHARE_IF_FILE)
		return stat(m->source, &st) == 0 && S_ISREG(st.st_mode);
	return kind == PLAN_MOUNT_SHARE;
}

static int share_mounts(struct sandbox *sb, const char *id, Grpc__Spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		Grpc__Mount *m = spec->mounts[i];
		auto_free char *guest_path = NULL;
		int r;

		if (!is_shared(m))
			continue;
		r = share_add_bind(sb->share, id, (unsigned)i, m->source, m->destination,
				   plan_mount_read_only(m), &guest_path, err);
		if (r < 0)
			return r;
		plan_set(&m->source, guest_path);
	}
	return 0;
}

/* Into the state, as `state` and `list` show it. */
static int record(struct sandbox *sb, const char *id, const char *bundle, const char *rootfs,
		  const Grpc__Spec *spec, struct err *err)
{
	struct state_container *c = state_add_container(sb->st, id);
	char now[sizeof("2000-01-01T00:00:00Z")];
	time_t t = time(NULL);
	struct tm tm;

	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
	c->bundle = xstrdup(bundle);
	c->rootfs = xstrdup(rootfs);
	c->status = xstrdup("creating");
	c->created = xstrdup(now);
	oci_spec_annotations(spec, &c->annotations);
	return state_save(sb->st, err);
}

static int apply(struct sandbox *sb, const char *id, const char *bundle, const char *rootfs,
		 Grpc__Spec *spec, bool *sandbox_pidns, struct err *err)
{
	auto_free char *guest_rootfs = share_guest_rootfs(id);
	int r = record(sb, id, bundle, rootfs, spec, err);

	if (r == 0)
		r = share_add_rootfs(sb->share, id, rootfs, err);
	if (r == 0)
		r = share_mounts(sb, id, spec, err);
	return r < 0 ? r : plan_container(&sb->guest, guest_rootfs, spec, sandbox_pidns, err);
}

/* Take it from the host. What cannot be undone is tried again when the sandbox ends. */
static int undo(struct sandbox *sb, const char *id, struct err *err)
{
	struct container *c = container_find(sb, id);
	int r = sb->share ? share_remove(sb->share, id, err) : 0, saved;

	if (c)
		container_free(c);
	state_remove_container(sb->st, id);
	saved = state_save(sb->st, r < 0 ? NULL : err);
	return r < 0 ? r : saved;
}

static void undo_failed(struct sandbox *sb, const char *id)
{
	struct err err = ERR_INIT;

	if (undo(sb, id, &err) < 0)
		log_error("container %s: %s", id, err_msg(&err));
}

static void on_created(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct errand *e = arg;

	(void)rsp;
	if (err)
		undo_failed(e->sb, e->id);
	errand_end(e, err);
}

static void send_create(struct sandbox *sb, const char *id, Grpc__Spec *spec, bool sandbox_pidns,
			sandbox_done done, void *arg)
{
	Grpc__CreateContainerRequest req = GRPC__CREATE_CONTAINER_REQUEST__INIT;

	req.container_id = (char *)(uintptr_t)id;
	req.exec_id = req.container_id;
	req.oci = spec;
	req.sandbox_pidns = sandbox_pidns;
	call_agent(sb, "CreateContainer", &req.base,
		   sb->config->runtime.create_container_timeout * 1000, on_created,
		   errand_new(sb, id, NULL, done, arg));
}

static int check_new(struct sandbox *sb, const char *id, struct err *err)
{
	int r = state_check_id(id, err);

	if (r < 0)
		return r;
	if (sb->phase != PHASE_RUNNING)
		return sb->why.code ? err_set(err, sb->why.code, "%s", sb->why.msg) :
				      err_set(err, ENOTCONN, "the sandbox is not running");
	if (container_find(sb, id))
		return err_set(err, EEXIST, "container %s already exists", id);
	if (!sb->share)
		return err_set(err, ENOTSUP, "hypervisor \"%s\" cannot share a directory",
			       sb->ops->name);
	return 0;
}

void sandbox_create_container(struct sandbox *sb, const char *id, const char *bundle,
			      const char *rootfs, Grpc__Spec *spec, sandbox_done done, void *arg)
{
	struct err err = ERR_INIT;
	bool sandbox_pidns = false;
	struct container *c;

	if (check_new(sb, id, &err) < 0) {
		call_done(sb, &err, done, arg);
		grpc__spec__free_unpacked(spec, NULL);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->sb = sb;
	c->id = xstrdup(id);
	list_init(&c->processes);
	list_add_tail(&sb->containers, &c->link);
	process_new(c, id);
	if (apply(sb, id, bundle, rootfs, spec, &sandbox_pidns, &err) == 0) {
		send_create(sb, id, spec, sandbox_pidns, done, arg);
	} else {
		undo_failed(sb, id);
		call_done(sb, &err, done, arg);
	}
	grpc__spec__free_unpacked(spec, NULL);
}

/* ---- running ---------------------------------------------------------------- */

static void on_started(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct errand *e = arg;

	(void)rsp;
	if (!err)
		process_started(e->p);
	errand_end(e, err);
}

void sandbox_start_container(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	Grpc__StartContainerRequest req = GRPC__START_CONTAINER_REQUEST__INIT;
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, NULL, &err);

	if (!p) {
		call_done(sb, &err, done, arg);
		return;
	}
	req.container_id = p->container_id;
	call_agent(sb, "StartContainer", &req.base, AGENT_CALL_MS, on_started,
		   errand_new(sb, id, p, done, arg));
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
	r = state_check_id(exec_id, NULL);
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

/* With its machine a container has gone, too; so it has when the agent knows none. */
static void on_removed(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct errand *e = arg;
	bool gone = rsp || e->sb->phase != PHASE_RUNNING || err->code == -ENOENT;
	struct err failure = ERR_INIT;

	if (!gone)
		failure = *err;
	else
		(void)undo(e->sb, e->id, &failure);
	errand_end(e, failure.code ? &failure : NULL);
}

void sandbox_remove_container(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	Grpc__RemoveContainerRequest req = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, NULL, &err);

	if (!p) {
		call_done(sb, &err, done, arg);
		return;
	}
	req.container_id = p->container_id;
	call_agent(sb, "RemoveContainer", &req.base, AGENT_CALL_MS, on_removed,
		   errand_new(sb, id, NULL, done, arg));
}
