/* SPDX-License-Identifier: Apache-2.0 */
/* CreateSandbox and DestroySandbox. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/agent/loopback.h"
#include "guest/agent/module_load.h"
#include "guest/agent/names.h"
#include "guest/agent/rpc.h"
#include "guest/agent/storage.h"

#define HOSTNAME_LEN 64 /* the kernel's most */
#define SANDBOX_DIR  "/run/kata-containers/sandbox"
#define SANDBOX_DNS  SANDBOX_DIR "/resolv.conf"
#define GUEST_DNS    "/etc/resolv.conf"
#define REMOVE_MS    10000
#define LOOK_MS	     5

/* How long the last answer gets to leave before the agent ends. */
#define FAREWELL_MS 20

/* The storages of the sandbox itself; there is one sandbox. */
static struct strv sandbox_storages;

/* What the guest itself asks its names with; a container's is mounted by the runtime. */
static bool resolv_conf_bound;

static void unbind_resolv_conf(void)
{
	if (resolv_conf_bound && umount2(GUEST_DNS, MNT_DETACH) < 0)
		log_warn("%s: %s, ignoring", GUEST_DNS, strerror(errno));
	resolv_conf_bound = false;
}

static int write_resolv_conf(const struct agent *agent, char *const *dns, size_t n, struct err *err)
{
	auto_str struct str text = STR_INIT;
	struct stat st;
	int r;

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		str_printf(&text, "%s\n", dns[i]);
	r = dir_make(SANDBOX_DIR, 0700, err);
	if (r == 0)
		r = file_replace(SANDBOX_DNS, text.data, text.len, 0644, err);
	/* An image that has no such file asks nobody; a local process is not to change its host. */
	if (r < 0 || !agent->guest || stat(GUEST_DNS, &st) < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		return err_set(err, EISDIR, GUEST_DNS);
	unbind_resolv_conf();
	if (mount(SANDBOX_DNS, GUEST_DNS, NULL, MS_BIND, NULL) < 0)
		return err_sys(err, errno, "mount at " GUEST_DNS);
	resolv_conf_bound = true;
	return 0;
}

/*
 * CreateSandbox may come again, as with the original: what it brings is added
 * to what is there, and replaces it for the containers to come.
 */
struct creation {
	struct agent *agent;
	struct ttrpc_call *call;
	const Grpc__CreateSandboxRequest *req; /* lives until the call is answered */
	int ipc, uts;
};

static void forget_sandbox(struct agent *agent)
{
	free(agent->sandbox_id);
	agent->sandbox_id = NULL;
	free(agent->guest_hook_path);
	agent->guest_hook_path = NULL;
	close_fd(&agent->shared.ipc);
	close_fd(&agent->shared.uts);
	close_fd(&agent->shared.pid);
}

static void creation_failed(struct creation *c, const struct err *err)
{
	log_error("sandbox: %s", err_msg(err));
	ttrpc_fail_err(c->call, err);
	close_fd(&c->ipc);
	close_fd(&c->uts);
	free(c);
}

static void on_storages(const struct err *err, void *arg)
{
	struct creation *c = arg;
	struct agent *agent = c->agent;
	struct err e = ERR_INIT;

	if (err) {
		creation_failed(c, err);
		return;
	}
	if (write_resolv_conf(agent, c->req->dns, c->req->n_dns, &e) < 0) {
		creation_failed(c, &e);
		return;
	}
	if (!agent->sandbox_id || *c->req->sandbox_id) {
		free(agent->sandbox_id);
		agent->sandbox_id = xstrdup(c->req->sandbox_id);
		free(agent->guest_hook_path);
		agent->guest_hook_path = xstrdup(c->req->guest_hook_path);
	}
	close_fd(&agent->shared.ipc);
	close_fd(&agent->shared.uts);
	agent->shared.ipc = take_fd(&c->ipc);
	agent->shared.uts = take_fd(&c->uts);
	log_info("sandbox %s created", agent->sandbox_id);
	rpc_reply_empty(c->call);
	free(c);
}

static int load_modules(void *arg, struct err *err)
{
	const struct creation *c = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->req->n_kernel_modules; i++) {
		const Grpc__KernelModule *m = c->req->kernel_modules[i];

		r = module_load(m->name, m->parameters, m->n_parameters, err);
	}
	return r;
}

static void on_modules(const struct err *err, void *arg)
{
	struct creation *c = arg;

	if (err)
		creation_failed(c, err);
	else
		storage_hold(c->agent, NULL, c->req->storages, c->req->n_storages,
			     &sandbox_storages, on_storages, c);
}

void rpc_create_sandbox(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__CreateSandboxRequest *req = (const Grpc__CreateSandboxRequest *)msg;
	auto_free char *hostname = xstrndup(req->hostname, HOSTNAME_LEN);
	struct agent *agent = ctx;
	struct err err = ERR_INIT;
	struct creation *c;

	if (agent->ending) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the sandbox is being destroyed");
		return;
	}
	if (req->n_kernel_modules > 0 && !agent->guest) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION,
			   "kernel module %s: the kernel is the host's",
			   req->kernel_modules[0]->name);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->agent = agent;
	c->call = call;
	c->req = req;
	c->ipc = c->uts = -1;
	if (ns_make_shared(hostname, &c->ipc, &c->uts, &err) < 0)
		creation_failed(c, &err);
	else if (req->n_kernel_modules > 0)
		job_run(agent->loop, load_modules, on_modules, c);
	else
		on_modules(NULL, c);
}

/* ---- the end ------------------------------------------------------------ */

static struct {
	struct agent *agent;
	struct ttrpc_call *call; /* NULL: nobody asked */
	int64_t deadline;	 /* for those that are at work */
	size_t pending;		 /* containers still being removed */
	struct err err;		 /* the first failure */
} farewell;

static void stop(void *arg)
{
	struct agent *agent = arg;

	loop_stop(agent->loop, 0);
}

static void on_all_released(const struct err *err, void *arg)
{
	struct agent *agent = arg;

	if (err && farewell.err.code == 0)
		farewell.err = *err;
	unbind_resolv_conf();
	(void)unlink(SANDBOX_DNS); /* there may be none */
	(void)rmdir(SANDBOX_DIR);
	forget_sandbox(agent);
	if (farewell.err.code)
		log_error("destroy the sandbox: %s", err_msg(&farewell.err));
	if (farewell.call && farewell.err.code)
		ttrpc_fail_err(farewell.call, &farewell.err);
	else if (farewell.call)
		rpc_reply_empty(farewell.call);
	farewell.call = NULL;
	log_info("sandbox destroyed");
	loop_add_timer(agent->loop, FAREWELL_MS, stop, agent);
}

static void on_removed(void *arg, const struct err *err)
{
	(void)arg;
	if (err && farewell.err.code == 0)
		farewell.err = *err;
	if (--farewell.pending == 0)
		storage_release(farewell.agent, &sandbox_storages, on_all_released, farewell.agent);
}

static bool at_work(const struct container *c)
{
	return c->create || c->removing;
}

static void remove_all(void *arg)
{
	struct agent *agent = arg;
	struct list *it;

	list_for_each(it, &agent->containers) {
		if (!at_work(container_of(it, struct container, link)))
			continue;
		if (loop_now_ms() >= farewell.deadline)
			break;
		loop_add_timer(agent->loop, LOOK_MS, remove_all, agent);
		return;
	}
	farewell.pending = 1; /* this function */
	list_for_each(it, &agent->containers) {
		struct container *c = container_of(it, struct container, link);

		/* What still hangs goes with the machine. */
		if (at_work(c))
			continue;
		farewell.pending++;
		container_remove(c, REMOVE_MS, on_removed, NULL);
	}
	on_removed(NULL, NULL);
}

void sandbox_destroy(struct agent *agent, struct ttrpc_call *call)
{
	if (agent->ending) {
		if (call)
			ttrpc_fail(call, TTRPC_FAILED_PRECONDITION,
				   "the sandbox is being destroyed");
		return;
	}
	agent->ending = true;
	loopback_close_all();
	names_close();
	farewell.agent = agent;
	farewell.call = call;
	farewell.deadline = loop_now_ms() + REMOVE_MS;
	remove_all(agent);
}

void rpc_destroy_sandbox(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)msg;
	sandbox_destroy(ctx, call);
}
