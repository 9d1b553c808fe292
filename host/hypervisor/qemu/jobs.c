/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/qemu/jobs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

void jobs_init(struct jobs *jobs, struct vm *vm, struct qmp **qmp)
{
	*jobs = (struct jobs){
		.vm = vm,
		.qmp = qmp,
		.vcpus = vm->spec->size.vcpus,
		.memory = vm->spec->size.memory,
		.guest_ms = JOB_GUEST_MS,
	};
	list_init(&jobs->queue);
	list_init(&jobs->disks);
	list_init(&jobs->cards);
}

static struct job *first(struct jobs *jobs)
{
	return list_empty(&jobs->queue) ? NULL : container_of(jobs->queue.next, struct job, link);
}

static void no_machine(struct err *err)
{
	err_set(err, EPIPE, "the machine does not run");
}

static void on_next(void *arg)
{
	struct jobs *jobs = arg;
	struct job *job = first(jobs);
	struct err err = ERR_INIT;

	jobs->next = NULL;
	if (!job)
		return;
	if (*jobs->qmp) {
		job->ops->begin(job);
		return;
	}
	no_machine(&err);
	job->ops->fail(job, &err);
	job_end(job);
}

static void schedule(struct jobs *jobs)
{
	if (!jobs->next && !list_empty(&jobs->queue))
		jobs->next = loop_defer(jobs->vm->loop, on_next, jobs);
}

void jobs_add(struct jobs *jobs, struct job *job, const struct job_ops *ops)
{
	bool idle = list_empty(&jobs->queue);

	job->jobs = jobs;
	job->ops = ops;
	list_add_tail(&jobs->queue, &job->link);
	if (idle)
		schedule(jobs);
}

static void release(struct job *job)
{
	list_del(&job->link);
	loop_remove(&job->limit);
	job->ops->free(job);
}

void job_end(struct job *job)
{
	struct jobs *jobs = job->jobs;

	release(job);
	schedule(jobs);
}

void jobs_fail(struct jobs *jobs, const struct err *why)
{
	struct err err = *why;
	struct list all;

	if (err.code == 0)
		no_machine(&err);
	loop_remove(&jobs->next);
	/* Who is told may add another one, which fails by itself. */
	list_init(&all);
	while (!list_empty(&jobs->queue)) {
		struct job *job = first(jobs);

		list_del(&job->link);
		list_add_tail(&all, &job->link);
	}
	while (!list_empty(&all)) {
		struct job *job = container_of(all.next, struct job, link);

		job->ops->fail(job, &err);
		release(job);
	}
}

void jobs_free(struct jobs *jobs)
{
	loop_remove(&jobs->next);
	while (!list_empty(&jobs->queue))
		release(first(jobs));
	jobs_forget_disks(jobs);
	jobs_forget_cards(jobs);
}

void job_command(struct job *job, const char *name, struct json_object *arguments, qmp_done done)
{
	qmp_command(*job->jobs->qmp, name, arguments, done, job);
}

void job_command_fd(struct job *job, const char *name, struct json_object *arguments, int fd,
		    qmp_done done)
{
	qmp_command_fd(*job->jobs->qmp, name, arguments, fd, done, job);
}

struct json_object *job_strings(const char *key, ...)
{
	struct json_object *o = json_object_new_object();
	va_list ap;

	va_start(ap, key);
	for (; key; key = va_arg(ap, const char *))
		json_object_object_add(o, key, json_object_new_string(va_arg(ap, const char *)));
	va_end(ap);
	return o;
}

/* ---- a device that goes ------------------------------------------------------ */

/*
 * It is gone when the command was answered and the event has come, in either order: a
 * job that ended by the event alone would not be there any more for the answer.
 */
static void gone(struct job *job, const struct err *err)
{
	loop_remove(&job->limit);
	job->device = NULL;
	job->on_gone(job, err);
}

static void not_let_go(struct job *job)
{
	struct err err = ERR_INIT;

	err_set(&err, ETIMEDOUT, "the guest does not let go of %s within %d ms", job->device,
		job->jobs->guest_ms);
	gone(job, &err);
}

static void on_guest_limit(void *arg)
{
	struct job *job = arg;

	job->limit = NULL;
	if (job->answered)
		not_let_go(job);
}

static void on_deletion(const struct err *err, struct json_object *ret, void *arg)
{
	struct job *job = arg;

	(void)ret;
	job->answered = true;
	if (err || job->refused.code)
		gone(job, err ? err : &job->refused);
	else if (job->deleted)
		gone(job, NULL);
	else if (!job->limit)
		not_let_go(job);
}

void job_delete_device(struct job *job, const char *id,
		       void (*on_gone)(struct job *job, const struct err *err))
{
	job->device = id;
	job->on_gone = on_gone;
	job->answered = job->deleted = false;
	err_clear(&job->refused);
	job->limit = loop_add_timer(job->jobs->vm->loop, job->jobs->guest_ms, on_guest_limit, job);
	job_command(job, "device_del", job_strings("id", id, NULL), on_deletion);
}

void jobs_event(struct jobs *jobs, const char *name, struct json_object *data)
{
	const char *id = qmp_text(data, "device");
	struct job *job = first(jobs);

	if (!id)
		return;
	if (!job || !job->device || strcmp(id, job->device)) {
		if (!strcmp(name, "DEVICE_DELETED"))
			jobs_gone(jobs, id);
		return;
	}
	if (!strcmp(name, "DEVICE_DELETED")) {
		job->deleted = true;
		if (job->answered)
			gone(job, NULL);
	} else if (!strcmp(name, "DEVICE_UNPLUG_GUEST_ERROR") ||
		   !strcmp(name, "MEM_UNPLUG_ERROR")) {
		err_set(&job->refused, EBUSY, "the guest needs %s", job->device);
		if (job->answered)
			gone(job, &job->refused);
	}
}
