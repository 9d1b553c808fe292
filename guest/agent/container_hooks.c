/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/container_hooks.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "guest/agent/hooks.h"
#include "guest/agent/rpc.h"

/* The container may end, and another get its id, while a hook runs. */
struct pending {
	struct agent *agent;
	char *id;
	unsigned long serial;
	struct ttrpc_call *call;
	void (*done)(struct container *c);
};

static struct pending *pending_new(struct container *c)
{
	struct pending *p = xcalloc(1, sizeof(*p));

	p->agent = c->agent;
	p->id = xstrdup(c->id);
	p->serial = c->serial;
	return p;
}

/* The container, if it is still there. */
static struct container *pending_end(struct pending *p)
{
	struct container *c = container_find(p->agent, p->id);

	if (c && c->serial != p->serial)
		c = NULL;
	free(p->id);
	free(p);
	return c;
}

static void on_create(const struct err *err, void *arg)
{
	struct container *c = pending_end(arg);

	/* Its child may have been killed meanwhile; that was told already. */
	if (!c || !c->create || !c->init)
		return;
	if (err)
		process_fail(c->init, err);
	else
		process_go(c->init);
}

void container_hooks_create(struct container *c)
{
	auto_free char *state = hooks_state(c->hooks, c->id, "creating", c->init->pid);

	hooks_start(c->agent->loop, c->hooks, HOOKS_CREATE, c->id, state, on_create,
		    pending_new(c));
}

static void on_started(const struct err *err, void *arg)
{
	struct pending *p = arg;
	struct ttrpc_call *call = p->call;

	/* As the specification wants: told, and no more. */
	if (err)
		log_warn("container %s: %s, ignoring", p->id, err_msg(err));
	(void)pending_end(p);
	rpc_reply_empty(call);
}

void container_hooks_started(struct container *c, struct process *process, struct ttrpc_call *call)
{
	auto_free char *state = NULL;
	struct pending *p;

	if (process != c->init || !c->hooks) {
		rpc_reply_empty(call);
		return;
	}
	state = hooks_state(c->hooks, c->id, "running", process->pid);
	p = pending_new(c);
	p->call = call;
	hooks_start(c->agent->loop, c->hooks, HOOKS_POSTSTART, c->id, state, on_started, p);
}

static void on_stopped(const struct err *err, void *arg)
{
	struct pending *p = arg;
	void (*done)(struct container * c) = p->done;
	struct container *c;

	if (err)
		log_warn("container %s: %s, ignoring", p->id, err_msg(err));
	c = pending_end(p);
	if (c)
		done(c);
}

void container_hooks_stopped(struct container *c, void (*done)(struct container *c))
{
	auto_free char *state = NULL;
	struct pending *p;

	if (!c->hooks) {
		done(c);
		return;
	}
	state = hooks_state(c->hooks, c->id, "stopped", 0);
	p = pending_new(c);
	p->done = done;
	hooks_start(c->agent->loop, c->hooks, HOOKS_POSTSTOP, c->id, state, on_stopped, p);
}
