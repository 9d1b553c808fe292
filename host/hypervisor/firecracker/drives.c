/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/firecracker/drives.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/hypervisor/firecracker/jail.h"

struct job {
	struct list link;
	struct fc_drives *drives;
	char *what; /* "disk x (/path)", for errors */
	unsigned drive;
	bool rest;		     /* wanted */
	struct loop_source *at_once; /* the answer is known, or there is nobody to ask */
	struct err err;		     /* that answer */
	vm_plug_done plug;
	vm_done done;
	void *arg;
};

void fc_drives_init(struct fc_drives *d, struct vm *vm, struct http **http, const char *root)
{
	*d = (struct fc_drives){ .vm = vm, .http = http, .root = root };
	list_init(&d->jobs);
}

static struct job *job_new(struct fc_drives *d, char *what, void *arg)
{
	struct job *job = xcalloc(1, sizeof(*job));

	job->drives = d;
	job->what = what;
	job->arg = arg;
	list_add_tail(&d->jobs, &job->link);
	return job;
}

static void job_free(struct job *job)
{
	list_del(&job->link);
	loop_remove(&job->at_once);
	free(job->what);
	free(job);
}

/* Over: told and released. */
static void job_end(struct job *job, const struct err *err)
{
	struct job j = *job;
	struct vm_place place;
	struct err why = ERR_INIT;

	fc_drive_place(j.drives->vm->spec, j.drive, &place);
	if (err) {
		why = *err;
		err_wrap(&why, "%s", j.what);
	} else if (j.plug) {
		log_info("firecracker: %s is at %s", j.what, place.at);
	}
	job_free(job);
	if (j.plug)
		j.plug(err ? &why : NULL, err ? NULL : &place, j.arg);
	else
		j.done(err ? &why : NULL, j.arg);
}

static void on_at_once(void *arg)
{
	struct job *job = arg;
	struct err err = job->err;

	job->at_once = NULL;
	job_end(job, err.code ? &err : NULL);
}

/* job->err is the answer, which comes from the loop all the same. */
static void end_soon(struct job *job)
{
	job->at_once = loop_defer(job->drives->vm->loop, on_at_once, job);
}

static void patch(struct job *job, const char *path, struct json_object *body, http_done done)
{
	struct http *http = *job->drives->http;

	if (http) {
		http_ask(http,
			 &(struct http_request){ .method = "PATCH",
						 .path = path,
						 .body = body,
						 .limit_ms = FC_PATCH_MS },
			 done, job);
		return;
	}
	json_object_put(body);
	err_set(&job->err, EPIPE, "the machine does not run");
	end_soon(job);
}

static void patch_drive(struct job *job, const char *path, http_done done)
{
	auto_free char *url = NULL;
	char name[16];

	fc_drive_name(job->drive, name, sizeof(name));
	url = xasprintf("/drives/%s", name);
	patch(job, url, fc_body_drive(name, path), done);
}

/* ---- plugging -------------------------------------------------------------------- */

/* The drive waits again. */
static void give_back(struct fc_drives *d, unsigned drive)
{
	auto_free char *file = fc_drive_file(drive);
	struct err err = ERR_INIT;

	if (fc_is_jailed(d->vm->spec->config) && jail_take_away(d->root, file, &err) < 0)
		log_warn("firecracker: %s", err_msg(&err));
	free(take_ptr(d->disks[drive]));
	d->leaving[drive] = false;
}

static void on_plugged(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct job *job = arg;

	(void)answer;
	/* One that did not answer may have it: it waits no more. */
	if (err && status != 0)
		give_back(job->drives, job->drive);
	job_end(job, err);
}

/* A drive that waits and is, or is not, read-only. */
static int find_drive(struct fc_drives *d, const struct vm_dev *dev, unsigned *drive,
		      struct err *err)
{
	unsigned from = dev->disk.read_only ? FC_DRIVES_RW : 0;
	unsigned to = dev->disk.read_only ? FC_DRIVES : FC_DRIVES_RW;

	for (unsigned i = 0; i < FC_DRIVES; i++)
		if (d->disks[i] && !strcmp(d->disks[i], dev->id))
			return err_set(err, EEXIST, "there is one of that name");
	for (*drive = from; *drive < to; ++*drive)
		if (!d->disks[*drive])
			return 0;
	return err_set(err, ENOSPC, "all %u %s drives that the machine has for disks are taken",
		       to - from, dev->disk.read_only ? "read-only" : "writable");
}

static int check_disk(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(err, ENOTBLK, "is neither a block device nor a file");
	return 0;
}

static int begin_plug(struct job *job, const struct vm_dev *dev)
{
	struct fc_drives *d = job->drives;
	auto_free char *file = NULL;
	int r = check_disk(dev->disk.path, &job->err);

	if (r == 0)
		r = find_drive(d, dev, &job->drive, &job->err);
	if (r < 0)
		return r;
	if (!fc_is_jailed(d->vm->spec->config)) {
		d->disks[job->drive] = xstrdup(dev->id);
		patch_drive(job, dev->disk.path, on_plugged);
		return 0;
	}
	file = fc_drive_file(job->drive);
	r = jail_bring(d->root, dev->disk.path, file, dev->disk.read_only, &job->err);
	if (r == 0) {
		auto_free char *inside = fc_inside(d->vm->spec->config, file);

		d->disks[job->drive] = xstrdup(dev->id);
		patch_drive(job, inside, on_plugged);
	}
	return r;
}

void fc_drives_plug(struct fc_drives *d, const struct vm_dev *dev, vm_plug_done done, void *arg)
{
	struct job *job = job_new(d, xasprintf("disk %s (%s)", dev->id, dev->disk.path), arg);

	job->plug = done;
	if (begin_plug(job, dev) < 0)
		end_soon(job);
}

/* ---- unplugging ------------------------------------------------------------------ */

static void on_unplugged(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct job *job = arg;

	(void)status;
	(void)answer;
	if (err)
		job->drives->leaving[job->drive] = false;
	else
		give_back(job->drives, job->drive);
	job_end(job, err);
}

void fc_drives_unplug(struct fc_drives *d, const char *id, vm_done done, void *arg)
{
	struct job *job = job_new(d, xasprintf("disk %s", id), arg);
	auto_free char *empty = fc_inside(d->vm->spec->config, FC_EMPTY);

	job->done = done;
	for (unsigned i = 0; i < FC_DRIVES; i++) {
		if (!d->disks[i] || strcmp(d->disks[i], id) != 0 || d->leaving[i])
			continue;
		job->drive = i;
		d->leaving[i] = true;
		patch_drive(job, empty, on_unplugged);
		return;
	}
	err_set(&job->err, ENOENT, "there is none of that name");
	end_soon(job);
}

/* ---- rest ------------------------------------------------------------------------ */

static void on_rests(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct job *job = arg;

	(void)status;
	(void)answer;
	if (!err)
		job->drives->rests = job->rest;
	job_end(job, err);
}

void fc_drives_rest(struct fc_drives *d, bool rest, vm_done done, void *arg)
{
	struct job *job = job_new(d, xstrdup(rest ? "pause" : "resume"), arg);

	job->done = done;
	job->rest = rest;
	if (d->rests == rest && *d->http)
		end_soon(job);
	else
		patch(job, "/vm", fc_body_state(rest), on_rests);
}

void fc_drives_free(struct fc_drives *d)
{
	while (!list_empty(&d->jobs))
		job_free(container_of(d->jobs.next, struct job, link));
	for (unsigned i = 0; i < FC_DRIVES; i++)
		free(take_ptr(d->disks[i]));
}
