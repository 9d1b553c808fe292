/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/oom.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "guest/agent/container.h"

/* Events that nobody asks for are kept up to this number; more say nothing new. */
#define EVENTS_MAX 256

struct oom_event {
	struct list link;
	char *container_id;
};

static void answer(struct ttrpc_call *call, const char *id)
{
	Grpc__OOMEvent rsp = GRPC__OOMEVENT__INIT;

	rsp.container_id = (char *)id;
	ttrpc_reply(call, &rsp.base);
}

static void record(struct agent *agent, const char *id)
{
	struct ttrpc_call *call = unpark(&agent->oom_calls);
	struct oom_event *e;
	struct list *it;
	size_t n = 0;

	if (call) {
		answer(call, id);
		return;
	}
	list_for_each(it, &agent->oom_events)
		n++;
	if (n >= EVENTS_MAX)
		return;
	e = xcalloc(1, sizeof(*e));
	e->container_id = xstrdup(id);
	list_add_tail(&agent->oom_events, &e->link);
}

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct container *c = arg;

	(void)src;
	(void)fd;
	(void)events;
	if (cgroup_oom_count(&c->oom) == 0) {
		if (c->oom.gone)
			oom_unwatch(c);
		return;
	}
	log_warn("container %s ran out of memory", c->id);
	record(c->agent, c->id);
}

void oom_watch(struct container *c)
{
	struct err err = ERR_INIT;

	if (c->oom_source)
		return;
	if (cgroup_oom_open(c->cgroup, &c->oom, &err) < 0) {
		log_warn("container %s: no OOM events: %s, ignoring", c->id, err_msg(&err));
		return;
	}
	c->oom_source = loop_add_fd(c->agent->loop, c->oom.fd, c->oom.events, on_event, c);
}

void oom_unwatch(struct container *c)
{
	loop_remove(&c->oom_source);
	cgroup_oom_close(&c->oom);
}

void oom_call(struct agent *agent, struct ttrpc_call *call)
{
	struct oom_event *e;

	if (list_empty(&agent->oom_events)) {
		park(&agent->oom_calls, call);
		return;
	}
	e = container_of(agent->oom_events.next, struct oom_event, link);
	answer(call, e->container_id);
	list_del(&e->link);
	free(e->container_id);
	free(e);
}
