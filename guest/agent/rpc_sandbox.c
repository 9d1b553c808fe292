/* SPDX-License-Identifier: Apache-2.0 */
/* CreateSandbox and DestroySandbox. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/agent/rpc.h"
#include "guest/agent/storage.h"

#define HOSTNAME_LEN 64 /* the kernel's most */
#define SANDBOX_DIR  "/run/kata-containers/sandbox"
#define REMOVE_MS    10000
#define LOOK_MS	     5

/* How long the last answer gets to leave before the agent ends. */
#define FAREWELL_MS 20

/* The storages of the sandbox itself; there is one sandbox. */
static struct strv sandbox_storages;

static int write_resolv_conf(char *const *dns, size_t n, struct err *err)
{
	auto_str struct str text = STR_INIT;
	int r;

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		str_printf(&text, "%s\n", dns[i]);
	r = dir_make(SANDBOX_DIR, 0700, err);
	return r < 0 ? r : file_replace(SANDBOX_DIR "/resolv.conf", text.data, text.len, 0644, err);
}

struct creation {
	struct agent *agent;
	struct ttrpc_call *call;
	const Grpc__CreateSandboxRequest *req; /* lives until the call is answered */
};

static void forget_sandbox(struct agent *agent)
{
	free(agent->sandbox_id);
	agent->sandbox_id = NULL;
	close_fd(&agent->shared.ipc);
	close_fd(&agent->shared.uts);
	close_fd(&agent->shared.pid);
}

static void on_storages(const struct err *err, void *arg)
{
	struct creation c = *(struct creation *)arg;
	struct err e = ERR_INIT;

	free(arg);
	if (err)
		e = *err;
	else if (write_resolv_conf(c.req->dns, c.req->n_dns, &e) == 0) {
		log_info("sandbox %s created", c.agent->sandbox_id);
		rpc_reply_empty(c.call);
		return;
	}
	log_error("sandbox: %s", err_msg(&e));
	forget_sandbox(c.agent);
	ttrpc_fail_err(c.call, &e);
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
	if (agent->sandbox_id) {
		ttrpc_fail(call, TTRPC_ALREADY_EXISTS, "sandbox %s was created already",
			   agent->sandbox_id);
		return;
	}
	if (req->n_kernel_modules > 0) {
		ttrpc_fail(call, TTRPC_UNIMPLEMENTED, "kernel module %s: not supported",
			   req->kernel_modules[0]->name);
		return;
	}
	if (ns_make_shared(hostname, &agent->shared.ipc, &agent->shared.uts, &err) < 0) {
		log_error("sandbox: %s", err_msg(&err));
		ttrpc_fail_err(call, &err);
		return;
	}
	agent->sandbox_id = xstrdup(req->sandbox_id);
	c = xcalloc(1, sizeof(*c));
	c->agent = agent;
	c->call = call;
	c->req = req;
	storage_hold(agent, NULL, req->storages, req->n_storages, &sandbox_storages, on_storages,
		     c);
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
	(void)unlink(SANDBOX_DIR "/resolv.conf"); /* there may be none */
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
