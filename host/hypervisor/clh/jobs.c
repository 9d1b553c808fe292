/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/clh/jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/hypervisor/clh/body.h"

/* A processor that is to leave has not left yet. */
#define STATUS_BUSY 429

struct job {
	struct list link;
	struct clh_jobs *jobs;
	char *what; /* "disk x (/path)", for errors */
	char *id;
	struct loop_source *look; /* at what the guest has done */
	int64_t deadline;
	void (*again)(struct job *job);
	/* One of these is its caller's. */
	vm_plug_done plug;
	vm_done done;
	vm_resize_done resize;
	void *arg;
	unsigned vcpus;	 /* wanted */
	uint64_t memory; /* wanted, MiB */
	bool rest;	 /* wanted */
};

void clh_jobs_init(struct clh_jobs *jobs, struct vm *vm, struct http **http)
{
	*jobs = (struct clh_jobs){ .vm = vm,
				   .http = http,
				   .vcpus = vm->spec->size.vcpus,
				   .memory = vm->spec->size.memory,
				   .guest_ms = CLH_GUEST_MS };
	list_init(&jobs->jobs);
}

static struct job *job_new(struct clh_jobs *jobs, char *what, void *arg)
{
	struct job *job = xcalloc(1, sizeof(*job));

	job->jobs = jobs;
	job->what = what;
	job->arg = arg;
	list_add_tail(&jobs->jobs, &job->link);
	return job;
}

static void job_free(struct job *job)
{
	list_del(&job->link);
	loop_remove(&job->look);
	free(job->what);
	free(job->id);
	free(job);
}

/* Over: told and released. */
static void job_end(struct job *job, const struct err *err, const struct vm_place *place)
{
	struct clh_jobs *jobs = job->jobs;
	struct job j = *job;
	struct err why = ERR_INIT;

	if (err) {
		why = *err;
		err_wrap(&why, "%s", job->what);
	}
	job_free(job);
	if (j.plug)
		j.plug(err ? &why : NULL, place, j.arg);
	else if (j.done)
		j.done(err ? &why : NULL, j.arg);
	else
		j.resize(err ? &why : NULL, jobs->vcpus, jobs->memory, j.arg);
}

static void on_no_machine(void *arg)
{
	struct job *job = arg;
	struct err err = ERR_INIT;

	job->look = NULL;
	err_set(&err, EPIPE, "the machine does not run");
	job_end(job, &err, NULL);
}

static void on_rests(const struct err *err, int status, struct json_object *answer, void *arg);

static void ask(struct job *job, const char *path, struct json_object *body, const int *fds,
		size_t n_fds, http_done done)
{
	const struct http_request request = {
		.method = body || done == on_rests ? "PUT" : "GET",
		.path = path,
		.body = body,
		.fds = fds,
		.n_fds = n_fds,
		.limit_ms = CLH_PLUG_MS,
	};

	if (*job->jobs->http) {
		http_ask(*job->jobs->http, &request, done, job);
		return;
	}
	json_object_put(body);
	loop_remove(&job->look);
	job->look = loop_defer(job->jobs->vm->loop, on_no_machine, job);
}

static void on_look(void *arg)
{
	struct job *job = arg;

	job->look = NULL;
	job->again(job);
}

/* Look again later, until the guest's time is up; then @err, which is wrapped. */
static void wait_for_guest(struct job *job, void (*again)(struct job *job), const char *why)
{
	struct err err = ERR_INIT;

	if (loop_now_ms() < job->deadline) {
		job->again = again;
		job->look = loop_add_timer(job->jobs->vm->loop, CLH_LOOK_MS, on_look, job);
		return;
	}
	err_set(&err, ETIMEDOUT, "%s within %d ms", why, job->jobs->guest_ms);
	job_end(job, &err, NULL);
}

/* ---- plugging -------------------------------------------------------------------- */

static void on_plugged(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct job *job = arg;
	struct vm_place place;
	struct err why = ERR_INIT;

	(void)status;
	if (!err && clh_place(answer, &place, &why) < 0)
		err = &why;
	if (!err)
		log_info("clh: %s is at %s", job->what, place.at);
	job_end(job, err, err ? NULL : &place);
}

void clh_jobs_plug(struct clh_jobs *jobs, const struct vm_dev *dev, vm_plug_done done, void *arg)
{
	const struct config *config = jobs->vm->spec->config;
	struct job *job;

	if (dev->type == VM_DEV_DISK) {
		job = job_new(jobs, xasprintf("disk %s (%s)", dev->id, dev->disk.path), arg);
		job->plug = done;
		ask(job, CLH_ROOT "/vm.add-disk", clh_body_disk(config, dev), NULL, 0, on_plugged);
	} else {
		job = job_new(jobs, xasprintf("network %s (%s)", dev->id, dev->net.tap), arg);
		job->plug = done;
		ask(job, CLH_ROOT "/vm.add-net", clh_body_net(config, dev), dev->net.fds,
		    dev->net.n_fds, on_plugged);
	}
}

/* ---- unplugging ------------------------------------------------------------------ */

/* It is in the device tree until the guest has ejected it. */
static bool is_there(struct json_object *info, const char *id)
{
	struct json_object *tree, *node;

	return json_object_object_get_ex(info, "device_tree", &tree) &&
	       json_object_object_get_ex(tree, id, &node);
}

static void look_for_device(struct job *job);

static void on_info(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct job *job = arg;

	(void)status;
	if (err || !is_there(answer, job->id))
		job_end(job, err, NULL);
	else
		wait_for_guest(job, look_for_device, "the guest does not let go of it");
}

static void look_for_device(struct job *job)
{
	ask(job, CLH_ROOT "/vm.info", NULL, NULL, 0, on_info);
}

static void on_removed(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct job *job = arg;

	(void)status;
	(void)answer;
	if (err)
		job_end(job, err, NULL);
	else
		look_for_device(job);
}

void clh_jobs_unplug(struct clh_jobs *jobs, const char *id, vm_done done, void *arg)
{
	struct job *job = job_new(jobs, xasprintf("device %s", id), arg);

	job->done = done;
	job->id = xstrdup(id);
	job->deadline = loop_now_ms() + jobs->guest_ms;
	ask(job, CLH_ROOT "/vm.remove-device", clh_body_id(id), NULL, 0, on_removed);
}

/* ---- rest ------------------------------------------------------------------------ */

static void on_rests(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct job *job = arg;

	(void)status;
	(void)answer;
	if (!err)
		job->jobs->rests = job->rest;
	job_end(job, err, NULL);
}

static void on_rests_already(void *arg)
{
	struct job *job = arg;

	job->look = NULL;
	job_end(job, NULL, NULL);
}

void clh_jobs_rest(struct clh_jobs *jobs, bool rest, vm_done done, void *arg)
{
	struct job *job = job_new(jobs, xstrdup(rest ? "pause" : "resume"), arg);

	job->done = done;
	job->rest = rest;
	if (jobs->rests == rest && *jobs->http)
		job->look = loop_defer(jobs->vm->loop, on_rests_already, job);
	else
		ask(job, rest ? CLH_ROOT "/vm.pause" : CLH_ROOT "/vm.resume", NULL, NULL, 0,
		    on_rests);
}

/* ---- resizing -------------------------------------------------------------------- */

static void resize_vcpus(struct job *job);

static void on_vcpus(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct job *job = arg;

	(void)answer;
	if (err && status == STATUS_BUSY) {
		wait_for_guest(job, resize_vcpus, "the guest does not let go of a processor");
		return;
	}
	if (!err)
		job->jobs->vcpus = job->vcpus;
	job_end(job, err, NULL);
}

static void resize_vcpus(struct job *job)
{
	unsigned max = job->jobs->vm->spec->size.max_vcpus;

	if (job->vcpus > max)
		job->vcpus = max;
	if (job->vcpus == job->jobs->vcpus)
		job_end(job, NULL, NULL);
	else
		ask(job, CLH_ROOT "/vm.resize", clh_body_vcpus(job->vcpus), NULL, 0, on_vcpus);
}

static void on_memory(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct job *job = arg;

	(void)status;
	(void)answer;
	if (err) {
		job_end(job, err, NULL);
		return;
	}
	job->jobs->memory = job->memory;
	job->jobs->plugged++;
	resize_vcpus(job);
}

/* Whether there is room for job->memory. */
static int check_memory(const struct job *job, struct err *err)
{
	const struct clh_jobs *jobs = job->jobs;
	const struct vm_size *size = &jobs->vm->spec->size;
	uint64_t room = size->max_memory - size->memory;
	unsigned slots = clh_memory_slots(jobs->vm->spec->config);

	room -= room % CLH_MEMORY_BLOCK;
	if (job->memory > size->memory + room)
		return err_set(err, ENOMEM, "the machine can have %llu MiB at most",
			       (unsigned long long)(size->memory + room));
	if (jobs->plugged >= slots)
		return err_set(err, ENOSPC, "memory was plugged in %u times, all that it can be",
			       jobs->plugged);
	return 0;
}

static void on_begin(void *arg)
{
	struct job *job = arg;
	struct clh_jobs *jobs = job->jobs;
	struct err err = ERR_INIT;

	job->look = NULL;
	/* What is there stays: the guest could not give it back. */
	if (job->memory <= jobs->memory) {
		resize_vcpus(job);
		return;
	}
	job->memory = jobs->memory + (job->memory - jobs->memory + CLH_MEMORY_BLOCK - 1) /
					     CLH_MEMORY_BLOCK * CLH_MEMORY_BLOCK;
	if (check_memory(job, &err) < 0)
		job_end(job, &err, NULL);
	else
		ask(job, CLH_ROOT "/vm.resize", clh_body_memory(job->memory), NULL, 0, on_memory);
}

void clh_jobs_resize(struct clh_jobs *jobs, unsigned vcpus, uint64_t memory, vm_resize_done done,
		     void *arg)
{
	struct job *job = job_new(
		jobs, xasprintf("%u processors, %llu MiB", vcpus, (unsigned long long)memory), arg);

	job->resize = done;
	job->vcpus = vcpus;
	job->memory = memory;
	job->deadline = loop_now_ms() + jobs->guest_ms;
	job->look = loop_defer(jobs->vm->loop, on_begin, job);
}

/* Those that have asked hear of it from the client. */
void clh_jobs_fail(struct clh_jobs *jobs, const struct err *why)
{
	struct list now;

	/* What is begun meanwhile is none of them. */
	list_init(&now);
	while (!list_empty(&jobs->jobs)) {
		struct list *l = jobs->jobs.next;

		list_del(l);
		list_add_tail(&now, l);
	}
	while (!list_empty(&now)) {
		struct job *job = container_of(now.next, struct job, link);

		list_del(&job->link);
		list_add_tail(&jobs->jobs, &job->link);
		if (job->look)
			job_end(job, why, NULL);
	}
}

void clh_jobs_free(struct clh_jobs *jobs)
{
	while (!list_empty(&jobs->jobs))
		job_free(container_of(jobs->jobs.next, struct job, link));
}
