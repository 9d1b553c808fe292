/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processors and memory of a running machine. Processors come and go one by one.
 * Memory comes in modules (pc-dimm), which stay, or through the virtio-mem device,
 * which can give it back. It is there when the guest says so: a container that was
 * promised it would otherwise be killed for the lack of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/hypervisor/qemu/args.h"
#include "host/hypervisor/qemu/jobs.h"
#include "host/hypervisor/qemu/parts.h"
#include "host/hypervisor/qemu/plug.h"

/* How often it is looked at what the guest has made of its memory. */
#define MEM_LOOK_MS 50

/* What it says of a device that it has tried to take (ACPI 6.5, 6.3.5.1 _OST). */
#define OST_SUCCESS	0
#define OST_IN_PROGRESS 0x80

struct resize {
	struct job job;
	unsigned vcpus;	 /* wanted */
	uint64_t memory; /* wanted, MiB */
	char name[32];	 /* of the processor or the memory at hand */
	struct loop_source *look;
	int64_t deadline;
	struct err err;
	vm_resize_done done;
	void *arg;
};

static struct resize *resize_of(void *job)
{
	return container_of((struct job *)job, struct resize, job);
}

static void resize_fail(struct job *job, const struct err *err)
{
	struct resize *r = resize_of(job);

	r->done(err, job->jobs->vcpus, job->jobs->memory, r->arg);
}

static void resize_free(struct job *job)
{
	struct resize *r = resize_of(job);

	loop_remove(&r->look);
	free(r);
}

static void finish(struct resize *r, const struct err *err)
{
	struct job *job = &r->job;

	resize_fail(job, err);
	job_end(job);
}

static void next_step(struct resize *r);

/* ---- processors ---------------------------------------------------------------- */

static void name_cpu(struct resize *r, unsigned n)
{
	snprintf(r->name, sizeof(r->name), "cpu-%u", n);
}

static void on_cpu(const struct err *err, struct json_object *ret, void *arg)
{
	struct resize *r = resize_of(arg);

	(void)ret;
	if (err) {
		finish(r, err);
		return;
	}
	r->job.jobs->vcpus++;
	next_step(r);
}

/* The first of the places for processors in which there is none: device_add's arguments. */
static struct json_object *free_cpu(struct json_object *list, const char *id)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	struct json_object *props, *used, *args = NULL;

	/* QEMU lists the last one first. */
	while (n-- > 0 && !args) {
		struct json_object *o = json_object_array_get_idx(list, n);
		const char *type = qmp_text(o, "type");

		if (!type || json_object_object_get_ex(o, "qom-path", &used) ||
		    !json_object_object_get_ex(o, "props", &props) ||
		    !json_object_is_type(props, json_type_object))
			continue;
		args = job_strings("driver", type, "id", id, NULL);
		json_object_object_foreach(props, key, value)
			json_object_object_add(args, key, json_object_get(value));
	}
	return args;
}

static void on_places(const struct err *err, struct json_object *ret, void *arg)
{
	struct resize *r = resize_of(arg);
	struct json_object *args;
	struct err none = ERR_INIT;

	if (err) {
		finish(r, err);
		return;
	}
	name_cpu(r, r->job.jobs->vcpus);
	args = free_cpu(ret, r->name);
	if (args) {
		job_command(&r->job, "device_add", args, on_cpu);
		return;
	}
	err_set(&none, ENOSPC, "there is no place for one more processor");
	finish(r, &none);
}

static void on_cpu_gone(struct job *job, const struct err *err)
{
	struct resize *r = resize_of(job);

	if (err) {
		/* It idles in the guest; no reason to fail. */
		log_warn("qemu: processor %s stays: %s", r->name, err_msg(err));
		r->vcpus = job->jobs->vcpus;
	} else {
		job->jobs->vcpus--;
	}
	next_step(r);
}

/* ---- memory -------------------------------------------------------------------- */

static void on_undone(const struct err *err, struct json_object *ret, void *arg)
{
	struct resize *r = resize_of(arg);

	(void)ret;
	if (err)
		log_warn("qemu: %s", err_msg(err));
	finish(r, &r->err);
}

static uint64_t dimm_size(const struct resize *r)
{
	uint64_t more = r->memory - r->job.jobs->memory;

	return (more + QEMU_MEMORY_BLOCK - 1) / QEMU_MEMORY_BLOCK * QEMU_MEMORY_BLOCK;
}

/* The guest's word on the device @id in the answer to query-acpi-ospm-status; -EAGAIN: none yet. */
static int guest_word(struct json_object *list, const char *id)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	struct json_object *source, *status;

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *device = qmp_text(o, "device");

		if (!device || strcmp(device, id) ||
		    !json_object_object_get_ex(o, "source", &source) ||
		    !json_object_object_get_ex(o, "status", &status))
			continue;
		/* What caused it is 0 until it has said something. */
		return json_object_get_int(source) == 0 ||
				       json_object_get_int(status) == OST_IN_PROGRESS ?
			       -EAGAIN :
			       json_object_get_int(status);
	}
	return -ENOENT;
}

static void look_at_dimm(void *arg);

static void on_word(const struct err *err, struct json_object *ret, void *arg)
{
	struct resize *r = resize_of(arg);
	int word = err ? err->code : guest_word(ret, r->name);
	struct err refused = ERR_INIT;

	if (word == -EAGAIN && loop_now_ms() < r->deadline) {
		r->look = loop_add_timer(r->job.jobs->vm->loop, MEM_LOOK_MS, look_at_dimm, r);
		return;
	}
	if (word > OST_SUCCESS && !err) {
		err_set(&refused, EIO, "the guest does not take %s into use (ACPI status 0x%x)",
			r->name, (unsigned)word);
		finish(r, &refused);
		return;
	}
	if (word == -EAGAIN)
		log_warn("qemu: the guest has not taken %s into use within %d ms", r->name,
			 r->job.jobs->guest_ms);
	else if (word != OST_SUCCESS)
		log_info("qemu: it is not known when the guest has %s", r->name);
	next_step(r);
}

static void look_at_dimm(void *arg)
{
	struct resize *r = arg;

	r->look = NULL;
	job_command(&r->job, "query-acpi-ospm-status", NULL, on_word);
}

static void on_dimm(const struct err *err, struct json_object *ret, void *arg)
{
	struct resize *r = resize_of(arg);
	auto_free char *object = xasprintf("mem-%s", r->name);

	(void)ret;
	if (err) {
		r->err = *err;
		job_command(&r->job, "object-del", job_strings("id", object, NULL), on_undone);
		return;
	}
	r->job.jobs->memory += dimm_size(r);
	r->job.jobs->dimms++;
	r->deadline = loop_now_ms() + r->job.jobs->guest_ms;
	look_at_dimm(r);
}

static void on_object(const struct err *err, struct json_object *ret, void *arg)
{
	struct resize *r = resize_of(arg);
	auto_free char *object = xasprintf("mem-%s", r->name);

	(void)ret;
	if (err)
		finish(r, err);
	else
		job_command(&r->job, "device_add",
			    job_strings("driver", "pc-dimm", "id", r->name, "memdev", object, NULL),
			    on_dimm);
}

struct json_object *resize_backend(const struct config_hypervisor *h, bool shared, const char *id,
				   uint64_t mib)
{
	bool hugetlb = h->enable_hugepages, file = *h->file_mem_backend && !hugetlb;
	struct json_object *o = job_strings("qom-type",
					    file	      ? "memory-backend-file" :
					    shared || hugetlb ? "memory-backend-memfd" :
								"memory-backend-ram",
					    "id", id, NULL);

	if (file)
		json_object_object_add(o, "mem-path", json_object_new_string(h->file_mem_backend));
	if (hugetlb)
		json_object_object_add(o, "hugetlb", json_object_new_boolean(true));
	if (shared)
		json_object_object_add(o, "share", json_object_new_boolean(true));
	if (hugetlb || h->enable_mem_prealloc)
		json_object_object_add(o, "prealloc", json_object_new_boolean(true));
	json_object_object_add(o, "size", json_object_new_int64((int64_t)(mib << 20)));
	return o;
}

static void add_dimm(struct resize *r)
{
	struct jobs *jobs = r->job.jobs;
	const struct vm_spec *spec = jobs->vm->spec;
	auto_free char *object = NULL;
	struct err err = ERR_INIT;

	if (jobs->dimms >= (unsigned)spec->config->hypervisor.memory_slots) {
		err_set(&err, ENOSPC, "all %u slots for memory are taken (memory_slots)",
			jobs->dimms);
		finish(r, &err);
		return;
	}
	snprintf(r->name, sizeof(r->name), "dimm%u", jobs->dimms);
	object = xasprintf("mem-%s", r->name);
	job_command(
		&r->job, "object-add",
		resize_backend(&spec->config->hypervisor, spec->share_dir, object, dimm_size(r)),
		on_object);
}

static void on_look(void *arg);

static void on_plugged(const struct err *err, struct json_object *ret, void *arg)
{
	struct resize *r = resize_of(arg);
	struct jobs *jobs = r->job.jobs;
	uint64_t boot = jobs->vm->spec->size.memory;

	if (err) {
		finish(r, err);
		return;
	}
	jobs->memory = boot + ((uint64_t)json_object_get_int64(ret) >> 20);
	/* What it has no room for or cannot give back shows in the size; others told it so. */
	if (jobs->memory != r->memory && loop_now_ms() < r->deadline) {
		r->look = loop_add_timer(jobs->vm->loop, MEM_LOOK_MS, on_look, r);
		return;
	}
	if (jobs->memory != r->memory)
		log_warn("qemu: the guest has %llu MiB of memory instead of %llu",
			 (unsigned long long)jobs->memory, (unsigned long long)r->memory);
	r->memory = jobs->memory;
	next_step(r);
}

static void on_look(void *arg)
{
	struct resize *r = arg;

	r->look = NULL;
	job_command(&r->job, "qom-get",
		    job_strings("path", QEMU_ID_VIRTIO_MEM, "property", "size", NULL), on_plugged);
}

static void on_requested(const struct err *err, struct json_object *ret, void *arg)
{
	struct resize *r = resize_of(arg);

	(void)ret;
	if (err) {
		finish(r, err);
		return;
	}
	r->deadline = loop_now_ms() + r->job.jobs->guest_ms;
	on_look(r);
}

static void request(struct resize *r)
{
	uint64_t boot = r->job.jobs->vm->spec->size.memory;
	uint64_t more = r->memory > boot ? r->memory - boot : 0;
	struct json_object *args =
		job_strings("path", QEMU_ID_VIRTIO_MEM, "property", "requested-size", NULL);

	more = (more + QEMU_MEMORY_BLOCK - 1) / QEMU_MEMORY_BLOCK * QEMU_MEMORY_BLOCK;
	r->memory = boot + more;
	json_object_object_add(args, "value", json_object_new_int64((int64_t)(more << 20)));
	job_command(&r->job, "qom-set", args, on_requested);
}

/* ---- one step after the other ---------------------------------------------------- */

static void next_step(struct resize *r)
{
	struct jobs *jobs = r->job.jobs;
	bool gives_back = args_virtio_mem(jobs->vm->spec) > 0;

	if (jobs->vcpus < r->vcpus) {
		job_command(&r->job, "query-hotpluggable-cpus", NULL, on_places);
	} else if (jobs->vcpus > r->vcpus) {
		name_cpu(r, jobs->vcpus - 1);
		job_delete_device(&r->job, r->name, on_cpu_gone);
	} else if (gives_back && jobs->memory != r->memory) {
		request(r);
	} else if (jobs->memory < r->memory) {
		add_dimm(r);
	} else {
		finish(r, NULL);
	}
}

static void resize_begin(struct job *job)
{
	struct resize *r = resize_of(job);
	const struct vm_size *size = &job->jobs->vm->spec->size;
	struct err err = ERR_INIT;

	if (r->vcpus > size->max_vcpus)
		r->vcpus = size->max_vcpus;
	if (r->vcpus < size->vcpus)
		r->vcpus = size->vcpus;
	if (r->memory <= size->max_memory) {
		next_step(r);
		return;
	}
	err_set(&err, ENOMEM,
		"%llu MiB of memory are more than the machine can have, %llu (default_maxmemory)",
		(unsigned long long)r->memory, (unsigned long long)size->max_memory);
	finish(r, &err);
}

static const struct job_ops resize_ops = { resize_begin, resize_fail, resize_free };

void jobs_resize(struct jobs *jobs, unsigned vcpus, uint64_t memory, vm_resize_done done, void *arg)
{
	struct resize *r = xcalloc(1, sizeof(*r));

	r->vcpus = vcpus;
	r->memory = memory;
	r->done = done;
	r->arg = arg;
	jobs_add(jobs, &r->job, &resize_ops);
}
