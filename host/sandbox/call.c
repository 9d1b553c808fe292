/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/core.h"

enum call_state {
	CALL_SENT,
	CALL_LOST, /* the connection ended before the answer */
	CALL_DUE,  /* its callback comes by the timer */
};

struct call {
	struct list link;
	struct sandbox *sb;
	enum call_state state;
	const char *name; /* of the request's type, static; NULL: the agent is not asked */
	int64_t begun;
	call_cb cb;
	void *arg;
	struct err err;
	struct loop_source *timer;
};

static struct call *call_new(struct sandbox *sb, enum call_state state, call_cb cb, void *arg)
{
	struct call *c = xcalloc(1, sizeof(*c));

	c->sb = sb;
	c->state = state;
	c->cb = cb;
	c->arg = arg;
	list_add_tail(&sb->calls, &c->link);
	return c;
}

static void forget(struct call *c)
{
	list_del(&c->link);
	loop_remove(&c->timer);
	free(c);
}

static void finish(struct call *c, const ProtobufCMessage *rsp, const struct err *err)
{
	call_cb cb = c->cb;
	void *arg = c->arg;
	struct err why = ERR_INIT;

	if (c->name) {
		prom_observe(&c->sb->rpcs, c->name, loop_now_ms() - c->begun);
		log_debug("the agent has answered: %s", c->name);
	}
	if (err)
		why = *err;
	forget(c);
	cb(rsp, why.code ? &why : NULL, arg);
}

static void on_due(void *arg)
{
	struct call *c = arg;

	c->timer = NULL;
	finish(c, NULL, &c->err);
}

static void on_reply(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct call *c = arg;

	if (err && err->code == -ECONNRESET) {
		c->state = CALL_LOST;
		c->err = *err;
		return;
	}
	finish(c, rsp, err);
}

void call_agent(struct sandbox *sb, const char *method, const ProtobufCMessage *req,
		int64_t timeout_ms, call_cb cb, void *arg)
{
	struct call *c = call_new(sb, CALL_SENT, cb, arg);

	if (sb->phase == PHASE_BOOTING || sb->phase == PHASE_RUNNING) {
		c->name = req->descriptor->name;
		c->begun = loop_now_ms();
		log_debug("the agent is asked: %s", method);
		if (sb->agent) {
			agent_call(sb->agent, method, req, timeout_ms, on_reply, c);
			return;
		}
		c->state = CALL_LOST;
		err_set(&c->err, ECONNRESET, "agent: %s: the connection is lost", method);
		return;
	}
	c->state = CALL_DUE;
	c->err = sb->why;
	if (c->err.code == 0)
		err_set(&c->err, ENOTCONN, "the sandbox has no virtual machine yet");
	c->timer = loop_defer(sb->loop, on_due, c);
}

struct simple {
	sandbox_done done;
	void *arg;
};

static void on_simple(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct simple s = *(struct simple *)arg;

	(void)rsp;
	free(arg);
	s.done(err, s.arg);
}

static struct simple *simple_new(sandbox_done done, void *arg)
{
	struct simple *s = xmalloc(sizeof(*s));

	s->done = done;
	s->arg = arg;
	return s;
}

void call_simple(struct sandbox *sb, const char *method, const ProtobufCMessage *req,
		 int64_t timeout_ms, sandbox_done done, void *arg)
{
	call_agent(sb, method, req, timeout_ms, on_simple, simple_new(done, arg));
}

void call_done(struct sandbox *sb, const struct err *err, sandbox_done done, void *arg)
{
	struct call *c = call_new(sb, CALL_DUE, on_simple, simple_new(done, arg));

	if (err)
		c->err = *err;
	c->timer = loop_defer(sb->loop, on_due, c);
}

static struct call *first_of(struct sandbox *sb, bool lost_only)
{
	struct list *it;

	list_for_each(it, &sb->calls) {
		struct call *c = container_of(it, struct call, link);

		if (c->state == CALL_LOST || (c->state == CALL_SENT && !lost_only))
			return c;
	}
	return NULL;
}

void call_end_lost(struct sandbox *sb)
{
	struct call *c;

	while ((c = first_of(sb, true)))
		finish(c, NULL, &c->err);
}

void call_end_all(struct sandbox *sb)
{
	struct call *c;

	while ((c = first_of(sb, false)))
		finish(c, NULL, &sb->why);
}

void call_flush(struct sandbox *sb)
{
	while (!list_empty(&sb->calls)) {
		struct call *c = container_of(sb->calls.next, struct call, link);
		struct err err = c->state == CALL_DUE ? c->err : sb->why;

		finish(c, NULL, &err);
	}
}
