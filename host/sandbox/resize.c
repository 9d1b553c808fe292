/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The size of the machine follows its containers, as Kata's updateResources does: the
 * sum of the limits of those that have not ended, on top of what is configured. The
 * guest takes into use what is new.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/sandbox/core.h"

struct resizer {
	struct list link; /* sb->resizers */
	bool under_way;	  /* what is being done is for this one too */
	sandbox_done done;
	void *arg;
};

static void begin(struct sandbox *sb);

static bool has_ended(const struct container *c)
{
	return !list_empty(&c->processes) &&
	       container_of(c->processes.next, struct process, link)->exited;
}

static void wanted(struct sandbox *sb, unsigned *vcpus, uint64_t *memory)
{
	struct size_load load = { .vcpus = 0 };
	struct list *it;

	list_for_each(it, &sb->containers) {
		struct container *c = container_of(it, struct container, link);

		if (!has_ended(c))
			load_add(&load, &c->limits);
	}
	size_wanted(sb->config, &sb->vm_spec.size, &load, vcpus, memory);
}

/* Tell those for whom it was done, then see to those who came meanwhile. */
static void tell(struct sandbox *sb, const struct err *why)
{
	struct list *it, *tmp;

	list_for_each_safe(it, tmp, &sb->resizers) {
		struct resizer *r = container_of(it, struct resizer, link);

		if (!r->under_way)
			continue;
		call_done(sb, why, r->done, r->arg);
		list_del(&r->link);
		free(r);
	}
	sb->resizing = false;
	if (!list_empty(&sb->resizers))
		begin(sb);
}

static void on_online(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	(void)rsp;
	tell(arg, err);
}

static void on_resized(const struct err *err, unsigned vcpus, uint64_t memory, void *arg)
{
	Grpc__OnlineCPUMemRequest req = GRPC__ONLINE_CPUMEM_REQUEST__INIT;
	struct sandbox *sb = arg;
	bool grown = vcpus > sb->vcpus || memory > sb->memory;

	if (err) {
		struct err why = *err;

		err_wrap(&why, "the machine cannot grow");
		tell(sb, &why);
		return;
	}
	log_info("sandbox %s: %u processors and %llu MiB instead of %u and %llu", sb->st->id, vcpus,
		 (unsigned long long)memory, sb->vcpus, (unsigned long long)sb->memory);
	/* How many there are to be in all; they come a moment later. */
	req.nb_cpus = vcpus > sb->vcpus ? vcpus : 0;
	req.wait = req.nb_cpus > 0;
	req.cpu_only = memory <= sb->memory;
	sb->vcpus = vcpus;
	sb->memory = memory;
	if (grown)
		call_agent(sb, "OnlineCPUMem", &req.base, AGENT_CALL_MS, on_online, sb);
	else
		tell(sb, NULL);
}

static void on_step(void *arg)
{
	struct sandbox *sb = arg;

	sb->resize_step = NULL;
	begin(sb);
}

static void begin(struct sandbox *sb)
{
	unsigned vcpus;
	uint64_t memory;
	struct list *it;

	sb->resizing = true;
	list_for_each(it, &sb->resizers)
		container_of(it, struct resizer, link)->under_way = true;
	wanted(sb, &vcpus, &memory);
	if (!sb->vm || (vcpus == sb->vcpus && memory == sb->memory))
		tell(sb, sb->vm ? NULL : &sb->why);
	else
		vm_resize(sb->vm, vcpus, memory, on_resized, sb);
}

void resize_sandbox(struct sandbox *sb, sandbox_done done, void *arg)
{
	struct resizer *r = xcalloc(1, sizeof(*r));

	r->done = done;
	r->arg = arg;
	list_add_tail(&sb->resizers, &r->link);
	if (!sb->resizing && !sb->resize_step)
		sb->resize_step = loop_defer(sb->loop, on_step, sb);
}

void resize_end(struct sandbox *sb)
{
	struct list *it;

	loop_remove(&sb->resize_step);
	list_for_each(it, &sb->resizers)
		container_of(it, struct resizer, link)->under_way = true;
	tell(sb, &sb->why);
}
