/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/creation.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "host/config/config.h"
#include "host/sandbox/control.h"
#include "host/sandbox/state.h"
#include "host/shim/pod.h"
#include "host/shim/rootfs.h"
#include "host/shim/settings.h"
#include "host/shim/task.h"
#include "host/shim/task_events.h"
#include "oci/spec.h"

struct creation {
	struct shim *shim;
	struct task *task;
	struct ttrpc_call *call;
	Grpc__Spec *spec; /* until the sandbox takes it */
	char *rootfs;
	struct sandbox_disk disk; /* the root file system in its place, if it has a source */
	Containerd__Events__TaskCreate *event;
	bool boots;	  /* it makes the sandbox */
	unsigned pending; /* answers that the sandbox owes */
	bool stopping;
	struct err err; /* the first failure */
};

/* ---- the end ------------------------------------------------------------------ */

static void release(struct creation *c)
{
	if (c->spec)
		grpc__spec__free_unpacked(c->spec, NULL);
	containerd__events__task_create__free_unpacked(c->event, NULL);
	free(c->rootfs);
	sandbox_disk_free(&c->disk);
	free(c);
}

static void fail(struct creation *c, const struct err *err);

static void on_stopped(const struct err *err, void *arg)
{
	struct creation *c = arg;

	if (err)
		log_error("cannot undo all of the sandbox: %s", err_msg(err));
	c->pending--;
	fail(c, &c->err);
}

static void undo(struct creation *c)
{
	struct shim *s = c->shim;
	struct ttrpc_call *call = c->call;
	struct err err = c->err;
	bool boots = c->boots;

	log_error("container %s: cannot create it: %s", c->task->id, err_msg(&err));
	if (boots && s->sandbox) {
		sandbox_destroy(take_ptr(s->sandbox));
		err_clear(&s->death);
	}
	task_remove(c->task);
	release(c);
	malloc_trim(0);
	ttrpc_call_on_cancel(call, NULL, NULL);
	ttrpc_fail_err(call, &err);
	if (boots)
		shim_booted(s);
}

/* Keep the first failure; go back when the sandbox owes nothing any more. */
static void fail(struct creation *c, const struct err *err)
{
	if (c->err.code == 0)
		c->err = *err;
	if (c->boots && !c->stopping && c->shim->sandbox) {
		c->stopping = true;
		c->pending++;
		sandbox_stop(c->shim->sandbox, on_stopped, c);
	}
	if (c->pending == 0)
		undo(c);
}

void creation_abort(struct creation *c)
{
	struct err err = ERR_INIT;

	err_set(&err, ECANCELED, "the creation of container %s was given up", c->task->id);
	fail(c, &err);
}

static void on_cancel(struct ttrpc_call *call, void *arg)
{
	struct creation *c = arg;

	(void)call;
	/* Without a sandbox to end, the container's creation takes its course. */
	if (c->boots)
		creation_abort(c);
}

static void succeed(struct creation *c)
{
	Containerd__Task__V2__CreateTaskResponse rsp =
		CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;
	struct shim *s = c->shim;
	struct ttrpc_call *call = c->call;
	bool boots = c->boots;
	uint32_t pid = shim_process_pid(c->task->init);
	struct err err = ERR_INIT;

	if (sandbox_set_status(s->sandbox, c->task->id, "created", &err) < 0)
		log_warn("container %s: %s", c->task->id, err_msg(&err));
	c->task->init->state = PROCESS_CREATED;
	task_event_created(s, c->event);
	log_info("container %s is created", c->task->id);
	release(c);
	/* What the boot needed, for as long as the container runs. */
	malloc_trim(0);
	rsp.pid = pid;
	ttrpc_call_on_cancel(call, NULL, NULL);
	ttrpc_reply(call, &rsp.base);
	if (boots)
		shim_booted(s);
}

/* ---- sandbox and container ------------------------------------------------------- */

static void on_removed(const struct err *err, void *arg)
{
	struct creation *c = arg;

	if (err)
		log_error("container %s: cannot undo it: %s", c->task->id, err_msg(err));
	c->pending--;
	fail(c, &c->err);
}

/* Who wanted it has gone. Where the sandbox goes too, the container goes with it. */
static void abandon(struct creation *c)
{
	struct err err = ERR_INIT;

	err_set(&err, ECANCELED, "container %s: its stand-in process has died", c->task->id);
	if (!c->boots) {
		c->pending++;
		sandbox_remove_container(c->shim->sandbox, c->task->id, on_removed, c);
	}
	fail(c, &err);
}

static void on_created(const struct err *err, void *arg)
{
	struct creation *c = arg;

	c->pending--;
	if (err || c->err.code)
		fail(c, err);
	else if (standin_lost(c->task->init->standin))
		abandon(c);
	else
		succeed(c);
}

static void create_container(struct creation *c)
{
	const struct sandbox_container new = {
		.id = c->task->id,
		.bundle = c->task->bundle,
		.rootfs = c->rootfs,
		.own_rootfs = c->task->mounted,
		.disk = c->disk.source ? &c->disk : NULL,
		.pid = standin_pid(c->task->init->standin),
	};

	c->pending++;
	sandbox_create_container(c->shim->sandbox, &new, take_ptr(c->spec), on_created, c);
}

static void on_booted(const struct err *err, void *arg)
{
	struct creation *c = arg;

	c->pending--;
	if (!err)
		sandbox_watch_oom(c->shim->sandbox, task_event_oom, c->shim);
	if (err)
		c->stopping = true; /* a boot that fails has undone itself */
	if (err || c->err.code)
		fail(c, err);
	else
		create_container(c);
}

static int boot(struct creation *c, struct config **config, struct err *err)
{
	struct shim *s = c->shim;
	const struct sandbox_options opt = {
		.id = s->opt.id,
		.root = s->opt.root,
		.namespace = s->opt.namespace,
		.bundle = c->task->bundle,
		.address = s->opt.address,
		.runtime = s->opt.runtime,
		.disk = c->disk.source ? &c->disk : NULL,
		.rootfs = c->rootfs,
		.own_rootfs = c->task->mounted,
		.pid = standin_pid(c->task->init->standin),
	};
	int r = sandbox_new(s->loop, &opt, shim_machine_died, s, &s->sandbox, err);

	if (r == 0)
		r = standin_note(c->task->init->standin, err);
	if (r < 0)
		return r;
	c->pending++;
	sandbox_boot(s->sandbox, take_ptr(*config), c->spec, on_booted, c);
	return 0;
}

/* ---- what the request says --------------------------------------------------------- */

static int check(struct shim *s, const Containerd__Task__V2__CreateTaskRequest *req,
		 struct err *err)
{
	int r = state_check_id(req->id, err);

	if (r < 0)
		return r;
	if (s->ending)
		return err_set(err, ECONNREFUSED, "the shim is shutting down");
	if (task_find(s, req->id))
		return err_set(err, EEXIST, "container %s already exists", req->id);
	if (shim_is_booting(s))
		return err_set(err, EBUSY, "the sandbox %s is still being made", s->opt.id);
	if (s->pod && !s->sandbox)
		return err_set(err, EBUSY, "the sandbox %s is not started", s->opt.id);
	if (s->death.code)
		return err_set(err, EBUSY, "%s", err_msg(&s->death));
	if (*req->checkpoint)
		return err_set(err, EOPNOTSUPP, "restoring a checkpoint is not supported");
	if (req->bundle[0] != '/')
		return err_set(err, EINVAL, "the bundle \"%s\" is no absolute path", req->bundle);
	return 0;
}

static int find_rootfs(struct creation *c, const Containerd__Task__V2__CreateTaskRequest *req,
		       const struct config *config, struct err *err)
{
	const char *path = c->spec->root && c->spec->root->path ? c->spec->root->path : "rootfs";
	int r;

	if (req->n_rootfs == 0) {
		c->rootfs = path[0] == '/' ? xstrdup(path) : path_join(req->bundle, path);
		return 0;
	}
	c->rootfs = path_join(req->bundle, "rootfs");
	if (config && sandbox_takes_disks(config, c->boots) &&
	    rootfs_is_disk(req->rootfs, req->n_rootfs, &c->disk))
		return 0;
	r = rootfs_mount(c->rootfs, req->rootfs, req->n_rootfs, err);
	if (r == 0)
		c->task->mounted = xstrdup(c->rootfs);
	return r;
}

static int prepare(struct creation *c, const Containerd__Task__V2__CreateTaskRequest *req,
		   struct config **config, struct err *err)
{
	int r = oci_spec_load(req->bundle, &c->spec, err);

	if (r == 0 && c->boots) {
		*config = settings_load(c->shim, req->options, c->spec, err);
		r = *config ? 0 : err->code;
	}
	if (r < 0) {
		err->code = -EINVAL; /* whatever a file lacks, the request was wrong */
		return r;
	}
	c->spec->process->terminal = req->terminal;
	if (c->shim->pod)
		pod_adopt(c->shim->pod, c->spec);
	r = standin_take(c->task->init, c->call, err);
	if (r == 0 && !c->boots)
		r = standin_note(c->task->init->standin, err);
	if (r < 0)
		return r;
	r = shim_process_open_streams(c->task->init, c->call, req->terminal, req->stdin,
				      req->stdout, req->stderr, err);
	if (r == 0)
		r = find_rootfs(c, req, c->boots ? *config : sandbox_config(c->shim->sandbox), err);
	return r;
}

void creation_begin(struct shim *s, struct ttrpc_call *call,
		    const Containerd__Task__V2__CreateTaskRequest *req)
{
	struct err err = ERR_INIT;
	struct config *config = NULL;
	struct creation *c;
	int r = check(s, req, &err);

	if (r < 0) {
		ttrpc_fail_err(call, &err);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->shim = s;
	c->call = call;
	c->boots = !s->sandbox;
	c->task = task_new(s, req->id, req->bundle);
	c->event = task_event_prepare(req);
	if (c->boots)
		s->booting = c;
	r = prepare(c, req, &config, &err);
	if (r == 0 && c->boots)
		r = boot(c, &config, &err);
	else if (r == 0)
		create_container(c);
	config_free(config);
	if (r < 0)
		fail(c, &err);
	else
		ttrpc_call_on_cancel(call, on_cancel, c);
}
