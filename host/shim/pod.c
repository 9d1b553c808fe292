/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/pod.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "host/config/config.h"
#include "host/sandbox/control.h"
#include "host/shim/process.h"
#include "host/shim/service.h"
#include "host/shim/settings.h"
#include "host/shim/task_events.h"

#define RESOLV_CONF "resolv.conf"

int pod_create(struct shim *s, const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req,
	       struct err *err)
{
	struct pod *pod;
	int r;

	if (s->pod || s->sandbox || shim_is_booting(s))
		return err_set(err, EEXIST, "sandbox %s already exists", req->sandbox_id);
	if (req->n_rootfs > 0)
		return err_set(err, EOPNOTSUPP,
			       "sandbox %s: it has no use for a root file system of its own",
			       req->sandbox_id);
	if (*req->bundle_path && req->bundle_path[0] != '/')
		return err_set(err, EINVAL, "the bundle \"%s\" is no absolute path",
			       req->bundle_path);
	pod = xcalloc(1, sizeof(*pod));
	pod->shim = s;
	list_init(&pod->waiters);
	list_init(&pod->stoppers);
	pod->bundle = xstrdup(*req->bundle_path ? req->bundle_path : s->opt.bundle);
	pod->resolv_conf = xasprintf("%s/%s/%s", s->opt.root, s->opt.id, RESOLV_CONF);
	r = pod_plan(req, pod->resolv_conf, &pod->plan, err);
	if (r == 0) {
		pod->config = settings_load(s, req->options, pod->plan.spec, err);
		r = pod->config ? 0 : err->code;
	}
	if (r < 0) {
		pod_free(pod);
		return r;
	}
	clock_gettime(CLOCK_REALTIME, &pod->created_at);
	s->pod = pod;
	return 0;
}

/* ---- the end ---------------------------------------------------------------------- */

static void answer_wait(const struct pod *pod, struct ttrpc_call *call)
{
	Containerd__Runtime__Sandbox__V1__WaitSandboxResponse rsp =
		CONTAINERD__RUNTIME__SANDBOX__V1__WAIT_SANDBOX_RESPONSE__INIT;
	Google__Protobuf__Timestamp at = service_timestamp(pod->exited_at);

	rsp.exit_status = pod->exit_status;
	rsp.exited_at = &at;
	ttrpc_reply(call, &rsp.base);
}

static void answer_stop(struct ttrpc_call *call)
{
	Containerd__Runtime__Sandbox__V1__StopSandboxResponse rsp =
		CONTAINERD__RUNTIME__SANDBOX__V1__STOP_SANDBOX_RESPONSE__INIT;

	ttrpc_reply(call, &rsp.base);
}

static void stopped(struct pod *pod, uint32_t status)
{
	struct ttrpc_call *call;

	pod->state = POD_STOPPED;
	pod->exit_status = status;
	clock_gettime(CLOCK_REALTIME, &pod->exited_at);
	log_info("the pod has ended with status %u", status);
	while ((call = pending_take(&pod->waiters)))
		answer_wait(pod, call);
	while ((call = pending_take(&pod->stoppers)))
		answer_stop(call);
	shim_watch_idle(pod->shim);
}

void pod_machine_died(struct pod *pod)
{
	if (pod && pod->state == POD_READY)
		stopped(pod, pod->shim->resting ? 0 : STATUS_KILLED);
}

void pod_wait(struct pod *pod, struct ttrpc_call *call)
{
	if (pod->state == POD_STOPPED)
		answer_wait(pod, call);
	else
		pending_add(&pod->waiters, call);
}

/* What is on the host goes with the shim, for containers are still to be deleted. */
void pod_stop(struct pod *pod, struct ttrpc_call *call)
{
	struct shim *s = pod->shim;

	if (pod->state == POD_STOPPED) {
		answer_stop(call);
		return;
	}
	pending_add(&pod->stoppers, call);
	switch (pod->state) {
	case POD_CREATED:
		stopped(pod, 0);
		break;
	case POD_STARTING:
		pod_abort(pod);
		break;
	case POD_READY:
		s->resting = true;
		sandbox_rest(s->sandbox);
		break;
	case POD_STOPPED:
		break;
	}
}

/* ---- the start ---------------------------------------------------------------------- */

static void fail(struct pod *pod, const struct err *err);

static void on_undone(const struct err *err, void *arg)
{
	struct pod *pod = arg;

	if (err)
		log_error("cannot undo all of the sandbox: %s", err_msg(err));
	pod->pending--;
	fail(pod, &pod->err);
}

static void undo(struct pod *pod)
{
	struct shim *s = pod->shim;
	struct ttrpc_call *call = take_ptr(pod->starter);

	log_error("cannot start the pod: %s", err_msg(&pod->err));
	if (s->sandbox) {
		sandbox_destroy(take_ptr(s->sandbox));
		err_clear(&s->death);
	}
	malloc_trim(0);
	ttrpc_call_on_cancel(call, NULL, NULL);
	ttrpc_fail_err(call, &pod->err);
	stopped(pod, STATUS_KILLED);
	shim_booted(s);
}

/* Keep the first failure; go back when the sandbox owes nothing any more. */
static void fail(struct pod *pod, const struct err *err)
{
	if (pod->err.code == 0)
		pod->err = *err;
	if (!pod->undoing && pod->shim->sandbox) {
		pod->undoing = true;
		pod->pending++;
		sandbox_stop(pod->shim->sandbox, on_undone, pod);
	}
	if (pod->pending == 0)
		undo(pod);
}

void pod_abort(struct pod *pod)
{
	struct err err = ERR_INIT;

	err_set(&err, ECANCELED, "the start of sandbox %s was given up", pod->shim->opt.id);
	fail(pod, &err);
}

static void on_cancel(struct ttrpc_call *call, void *arg)
{
	(void)call;
	pod_abort(arg);
}

static void succeed(struct pod *pod)
{
	Containerd__Runtime__Sandbox__V1__StartSandboxResponse rsp =
		CONTAINERD__RUNTIME__SANDBOX__V1__START_SANDBOX_RESPONSE__INIT;
	Google__Protobuf__Timestamp at = service_timestamp(pod->created_at);
	struct ttrpc_call *call = take_ptr(pod->starter);
	struct shim *s = pod->shim;

	pod->state = POD_READY;
	pod->started = true;
	log_info("the pod is ready");
	malloc_trim(0);
	rsp.pid = (uint32_t)sandbox_pid(s->sandbox);
	rsp.created_at = &at;
	ttrpc_call_on_cancel(call, NULL, NULL);
	ttrpc_reply(call, &rsp.base);
	shim_booted(s);
}

static void on_booted(const struct err *err, void *arg)
{
	struct pod *pod = arg;

	pod->pending--;
	if (err)
		pod->undoing = true; /* a boot that fails has undone itself */
	else
		sandbox_watch_oom(pod->shim->sandbox, task_event_oom, pod->shim);
	if (err || pod->err.code)
		fail(pod, err);
	else
		succeed(pod);
}

static int write_resolv_conf(const struct pod *pod, struct err *err)
{
	const struct str *text = &pod->plan.resolv_conf;

	if (text->len == 0)
		return 0;
	return file_replace(pod->resolv_conf, str_text(text), text->len, 0644, err);
}

static int boot(struct pod *pod, struct err *err)
{
	struct shim *s = pod->shim;
	const struct sandbox_options opt = {
		.id = s->opt.id,
		.root = s->opt.root,
		.namespace = s->opt.namespace,
		.bundle = pod->bundle,
		.address = s->opt.address,
		.runtime = s->opt.runtime,
	};
	int r = sandbox_new(s->loop, &opt, shim_machine_died, s, &s->sandbox, err);

	if (r == 0)
		r = write_resolv_conf(pod, err);
	if (r < 0)
		return r;
	pod->pending++;
	sandbox_boot(s->sandbox, take_ptr(pod->config), pod->plan.spec, on_booted, pod);
	return 0;
}

void pod_start(struct pod *pod, struct ttrpc_call *call)
{
	struct err err = ERR_INIT;

	if (pod->state != POD_CREATED) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "sandbox %s %s", pod->shim->opt.id,
			   pod->state == POD_STOPPED ? "has ended" : "was started already");
		return;
	}
	pod->state = POD_STARTING;
	pod->starter = call;
	if (boot(pod, &err) < 0)
		fail(pod, &err);
	else
		ttrpc_call_on_cancel(call, on_cancel, pod);
	shim_watch_idle(pod->shim);
}

/* ---- what others ask ------------------------------------------------------------------ */

bool pod_is_starting(const struct pod *pod)
{
	return pod && pod->state == POD_STARTING;
}

bool pod_holds(const struct pod *pod)
{
	return pod && (pod->state == POD_STARTING || pod->state == POD_READY);
}

void pod_adopt(const struct pod *pod, Grpc__Spec *spec)
{
	pod_complete(&pod->plan, pod->resolv_conf, spec);
}

void pod_free(struct pod *pod)
{
	struct ttrpc_call *call;

	if (!pod)
		return;
	while ((call = pending_take(&pod->waiters)))
		ttrpc_fail(call, TTRPC_UNAVAILABLE, "the shim has ended");
	while ((call = pending_take(&pod->stoppers)))
		answer_stop(call);
	pod_plan_free(&pod->plan);
	config_free(pod->config);
	free(pod->bundle);
	free(pod->resolv_conf);
	free(pod);
}
