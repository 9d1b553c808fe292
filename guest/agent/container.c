/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/container.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "guest/agent/bundle.h"
#include "guest/agent/caps.h"
#include "guest/agent/container_hooks.h"
#include "guest/agent/device_find.h"
#include "guest/agent/hooks.h"
#include "guest/agent/label.h"
#include "guest/agent/oom.h"
#include "guest/agent/resources.h"
#include "guest/agent/shared_mounts.h"
#include "guest/agent/sources.h"
#include "guest/agent/storage.h"
#include "guest/agent/termination_log.h"
#include "guest/agent/traits.h"

/* Ended processes that somebody waited for are remembered up to this number. */
#define ENDED_MAX 64

struct container *container_find(struct agent *agent, const char *id)
{
	struct list *it;

	list_for_each(it, &agent->containers) {
		struct container *c = container_of(it, struct container, link);

		if (!strcmp(c->id, id))
			return c;
	}
	return NULL;
}

struct process *container_process(struct container *c, const char *exec_id)
{
	struct list *it;

	if (!*exec_id || !strcmp(exec_id, c->id))
		return c->init;
	list_for_each(it, &c->processes) {
		struct process *p = container_of(it, struct process, link);

		if (!strcmp(p->id, exec_id) && !p->failed)
			return p;
	}
	return NULL;
}

static struct container *container_new(struct agent *agent, const char *id)
{
	static unsigned long serial;
	struct container *c = xcalloc(1, sizeof(*c));

	c->serial = ++serial;
	c->agent = agent;
	c->id = xstrdup(id);
	c->oom.fd = -1;
	list_init(&c->processes);
	list_add_tail(&agent->containers, &c->link);
	return c;
}

static void on_create_undone(void *arg, const struct err *err)
{
	struct ttrpc_call *call = ((void **)arg)[0];
	struct err *failure = ((void **)arg)[1];

	if (err)
		log_error("undo a container that failed: %s, ignoring", err_msg(err));
	ttrpc_fail_err(call, failure);
	free(failure);
	free(arg);
}

/* CreateContainer failed: undo it, then say why. */
static void create_failed(struct container *c, const struct err *err)
{
	void **arg = xcalloc(2, sizeof(*arg));
	struct err *failure = xmalloc(sizeof(*failure));

	*failure = *err;
	arg[0] = c->create;
	arg[1] = failure;
	c->create = NULL;
	log_error("container %s: %s", c->id, err_msg(err));
	container_remove(c, 10000, on_create_undone, arg);
}

static bool is_alone(const struct container *c)
{
	return c->agent->containers.next == &c->link && c->link.next == &c->agent->containers;
}

static void finish_create(struct container *c, const struct err *err)
{
	static const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	struct ttrpc_call *call = c->create;

	if (err) {
		create_failed(c, err);
		return;
	}
	c->create = NULL;
	c->usable = true;
	log_info("container %s created", c->id);
	ttrpc_reply(call, &empty.base);
}

static void on_created(struct process *p, const struct err *err)
{
	struct container *c = p->container;

	if (err) {
		create_failed(c, err);
		return;
	}
	/* As in the original: what later containers share is the pid namespace of the first. */
	if (is_alone(c)) {
		int fd = ns_of_pid(p->pid, NS_PID);

		if (fd < 0) {
			struct err e = ERR_INIT;

			err_sys(&e, fd, "the sandbox's pid namespace");
			create_failed(c, &e);
			return;
		}
		close_fd(&c->agent->shared.pid);
		c->agent->shared.pid = fd;
	}
	if (c->request->n_shared_mounts > 0)
		shared_mounts_bind(c, c->request, finish_create);
	else
		finish_create(c, NULL);
}

/* What is in the group dies with the container: nobody else's processes may be. */
static int check_unused(const char *path, struct err *err)
{
	struct cgroup *cg = cgroup_open(path);
	size_t n = cgroup_count(cg);

	cgroup_free(cg);
	return n ? err_set(err, EBUSY, "cgroupsPath %s: %zu processes live there already", path,
			   n) :
		   0;
}

void container_note_cpus(struct container *c, const Grpc__LinuxResources *resources)
{
	if (!resources->cpu || !*resources->cpu->cpus)
		return;
	free(c->cpus);
	c->cpus = xstrdup(resources->cpu->cpus);
}

static int make_cgroup(struct container *c, const Grpc__Spec *spec, struct err *err)
{
	const char *wanted = spec->linux ? spec->linux->cgroupspath : "";
	auto_free char *path = NULL;
	int r = cgroup_path(wanted, c->id, &path, err);

	if (r == 0)
		r = check_unused(path, err);
	if (r == 0)
		r = cgroup_create(path, &c->cgroup, err);
	if (r == 0)
		r = resources_devices(c->cgroup, spec->linux, err);
	if (r < 0 || !spec->linux || !spec->linux->resources)
		return r;
	container_note_cpus(c, spec->linux->resources);
	return resources_limit(c->cgroup, spec->linux->resources, err);
}

/* What the ID 0 of the container is outside. 0 when the mapping is not ours to know. */
static uint32_t outside_of_root(Grpc__LinuxIDMapping *const *map, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (map[i]->containerid == 0)
			return map[i]->hostid;
	return 0;
}

static int plan_namespaces(struct container *c, const Grpc__CreateContainerRequest *req,
			   struct launch *l, struct err *err)
{
	struct ns_shared shared = c->agent->shared;
	int r;

	c->shared_pid = req->sandbox_pidns;
	if (!req->sandbox_pidns)
		shared.pid = -1;
	else if (shared.pid < 0 && !is_alone(c))
		return err_set(err, EINVAL, "the sandbox has no pid namespace to share");
	r = ns_plan(req->oci->linux, &shared, &l->ns, err);
	if (r < 0)
		return r;
	l->userns = l->ns.create & ns_flag(NS_USER) || l->ns.join[NS_USER] >= 0;
	c->userns = l->userns;
	c->timens = l->ns.create & ns_flag(NS_TIME) || l->ns.join[NS_TIME] >= 0;
	if (c->userns) {
		const Grpc__Linux *lin = req->oci->linux;

		c->root_uid = outside_of_root(lin->uidmappings, lin->n_uidmappings);
		c->root_gid = outside_of_root(lin->gidmappings, lin->n_gidmappings);
	}
	return 0;
}

static int launch_init(struct container *c, const Grpc__CreateContainerRequest *req,
		       struct err *err)
{
	struct launch l = {
		.spec = req->oci,
		.process = req->oci->process,
		.string_user = req->string_user,
		.seccomp = c->seccomp.n > 0 ? &c->seccomp : NULL,
		.personality = c->personality,
		.id = c->id,
		.guest = c->agent->guest,
		.init_pidfd = -1,
		.streams = &c->streams,
	};
	int r = make_cgroup(c, req->oci, err);

	if (r == 0)
		r = plan_namespaces(c, req, &l, err);
	if (r < 0)
		return r;
	c->hooks = hooks_collect(req->oci, c->agent->guest_hook_path);
	l.hooks = c->hooks;
	l.hold = c->hooks;
	if (c->hooks && bundle_make(c->id, req->oci, err) < 0) {
		ns_plan_done(&l.ns);
		return err->code;
	}
	if (sources_open(req->oci, &l.ns, &l.sources, err) == 0)
		c->init = process_new(c, *req->exec_id ? req->exec_id : c->id, &l, on_created, NULL,
				      err);
	sources_done(l.sources, sources_count(req->oci));
	ns_plan_done(&l.ns);
	if (c->init && c->hooks)
		container_hooks_create(c);
	return c->init ? 0 : err->code;
}

struct creation {
	struct container *container;
	const Grpc__CreateContainerRequest *req; /* lives until the call is answered */
};

static void on_storages(const struct err *err, void *arg)
{
	struct creation *creation = arg;
	struct container *c = creation->container;
	const Grpc__CreateContainerRequest *req = creation->req;
	struct err why = ERR_INIT;

	free(creation);
	if (err)
		create_failed(c, err);
	else if (launch_init(c, req, &why) < 0)
		create_failed(c, &why);
}

static void on_devices(const struct err *err, void *arg)
{
	struct creation *creation = arg;
	struct container *c = creation->container;
	const Grpc__CreateContainerRequest *req = creation->req;

	if (err)
		on_storages(err, creation);
	else
		storage_hold(c->agent, c->id, req->storages, req->n_storages, &c->storages,
			     on_storages, creation);
}

/* The specification wants names that nobody knows to be left out; that should not go unseen. */
static void warn_of_unknown_caps(const char *id, const Grpc__Process *process)
{
	const Grpc__LinuxCapabilities *caps = process->capabilities;
	const char *unknown = NULL;
	struct cap_sets sets;

	if (caps)
		cap_sets_parse(caps, CAP_MAX, &sets, &unknown);
	if (unknown)
		log_warn("container %s: unknown capability \"%s\", ignoring", id, unknown);
}

/* What has to be right before anything is touched. */
static int check_request(const Grpc__CreateContainerRequest *req, struct err *err)
{
	const Grpc__Spec *spec = req->oci;

	if (!spec)
		return err_set(err, EINVAL, "the request has no OCI specification");
	if (!spec->process || spec->process->n_args == 0)
		return err_set(err, EINVAL, "the specification has no process.args");
	if (!spec->root || spec->root->path[0] != '/')
		return err_set(err, EINVAL, "the specification's root.path is not absolute");
	if (*spec->process->cwd && *spec->process->cwd != '/')
		return err_set(err, EINVAL, "cwd \"%s\" is no absolute path", spec->process->cwd);
	if (traits_check_affinity(spec->process, err) < 0)
		return err->code;
	return label_check(spec->process, err);
}

void container_create(struct agent *agent, struct ttrpc_call *call,
		      const Grpc__CreateContainerRequest *req, struct passfd *streams)
{
	struct creation *creation;
	struct seccomp_filter seccomp = { .n = 0 };
	int personality = -1;
	struct err err = ERR_INIT;
	struct container *c;
	int r = check_request(req, &err);

	if (r == 0 && req->oci->linux)
		r = traits_personality(req->oci->linux->personality, &personality, &err);
	if (r == 0 && req->oci->linux && req->oci->linux->seccomp)
		r = seccomp_compile(req->oci->linux->seccomp, &seccomp, &err);
	if (r < 0) {
		ttrpc_fail_err(call, &err);
		return;
	}
	warn_of_unknown_caps(req->container_id, req->oci->process);
	c = container_new(agent, req->container_id);
	c->create = call;
	c->request = req;
	c->streams = *streams;
	*streams = (struct passfd)PASSFD_OFF;
	c->exec_cpus = xstrdup(traits_affinity(req->oci->process));
	c->name = shared_mounts_name(req->oci);
	c->termination_log = termination_log_path(req->oci);
	c->seccomp = seccomp;
	c->personality = personality;
	creation = xcalloc(1, sizeof(*creation));
	creation->container = c;
	creation->req = req;
	/* Devices first: what is mounted may lie on them. */
	if (req->n_devices > 0)
		devices_find(agent->loop, req->devices, req->n_devices, req->oci, on_devices,
			     creation);
	else
		on_devices(NULL, creation);
}

static void on_started(struct process *p, const struct err *err)
{
	struct ttrpc_call *call = p->progress_arg;

	if (err) {
		log_error("container %s: %s", p->container->id, err_msg(err));
		ttrpc_fail_err(call, err);
		return;
	}
	log_info("container %s: process %s runs", p->container->id, p->id);
	container_hooks_started(p->container, p, call);
}

void container_start(struct container *c, struct ttrpc_call *call)
{
	if (!c->init || c->init->state != PROCESS_READY) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s was started already",
			   c->id);
		return;
	}
	if (c->paused) { /* it would not go on before its time is up */
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s is paused", c->id);
		return;
	}
	/* The sandbox's own container too: outside of a pod it is the one that does the work. */
	oom_watch(c);
	process_start(c->init, on_started, call);
}

static void on_exec_ready(struct process *p, const struct err *err)
{
	if (err)
		on_started(p, err);
	else
		process_start(p, on_started, p->progress_arg);
}

void container_exec(struct container *c, struct ttrpc_call *call,
		    const Grpc__ExecProcessRequest *req, struct passfd *streams)
{
	auto_close int pidfd = -1;
	struct launch l = {
		.process = req->process,
		.string_user = req->string_user,
		.seccomp = c->seccomp.n > 0 ? &c->seccomp : NULL,
		.personality = c->personality,
		.userns = c->userns,
		.timens = c->timens,
		.guest = c->agent->guest,
		.cpus = traits_affinity(req->process),
		.ns.join = { -1, -1, -1, -1, -1, -1, -1, -1 },
		.streams = streams,
	};
	struct err err = ERR_INIT;
	int ns;

	if (!l.cpus)
		l.cpus = c->exec_cpus;
	if (label_check(req->process, &err) < 0) {
		ttrpc_fail_err(call, &err);
		return;
	}
	warn_of_unknown_caps(c->id, req->process);
	/* The child is not waited for yet, so the number is still its own. */
	pidfd = (int)syscall(SYS_pidfd_open, c->init->pid, 0);
	ns = ns_of_pid(c->init->pid, NS_PID);
	if (pidfd < 0 || ns < 0) {
		close_fd(&ns);
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container %s has ended", c->id);
		return;
	}
	l.init_pidfd = pidfd;
	l.ns.join[NS_PID] = ns;
	if (!process_new(c, req->exec_id, &l, on_exec_ready, call, &err))
		ttrpc_fail_err(call, &err);
	ns_plan_done(&l.ns);
}

/* Forget the oldest ended processes whose status is known, so that execs do not pile up. */
static void forget_old(struct container *c)
{
	struct list *it, *tmp;
	size_t n = 0;

	list_for_each(it, &c->processes) {
		struct process *p = container_of(it, struct process, link);

		n += p != c->init && p->state == PROCESS_EXITED && p->waited;
	}
	list_for_each_safe(it, tmp, &c->processes) {
		struct process *p = container_of(it, struct process, link);

		if (n <= ENDED_MAX)
			return;
		if (p == c->init || p->state != PROCESS_EXITED || !p->waited)
			continue;
		process_free(p);
		n--;
	}
}

void container_process_ended(struct container *c, struct process *p)
{
	/* A pid namespace dies with its first process; a shared one does not. */
	if (p == c->init && c->shared_pid && c->cgroup)
		cgroup_signal(c->cgroup, SIGKILL);
	if (p->failed && p != c->init)
		process_free(p);
	else
		forget_old(c);
}
