/* SPDX-License-Identifier: Apache-2.0 */
/* Files, volumes and swap of the guest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/swap.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/agent/copy_file.h"
#include "guest/agent/device_wait.h"
#include "guest/agent/output.h"
#include "guest/agent/rpc.h"
#include "guest/agent/storage.h"
#include "guest/agent/storage_block.h"
#include "guest/agent/storage_mount.h"
#include "proto/csi.pb-c.h"

#define MOUNTS_MAX (4u << 20)

void rpc_copy_file(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	struct err err = ERR_INIT;

	(void)ctx;
	if (copy_file((const Grpc__CopyFileRequest *)msg, COPY_FILE_DIR, &err) < 0) {
		err_wrap(&err, "copy a file");
		log_error("%s", err_msg(&err));
		ttrpc_fail_err(call, &err);
		return;
	}
	rpc_reply_empty(call);
}

/* Only a tmpfs of the agent's own: that cannot keep it waiting. */
void rpc_update_ephemeral_mounts(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__UpdateEphemeralMountsRequest *req =
		(const Grpc__UpdateEphemeralMountsRequest *)msg;
	struct err err = ERR_INIT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < req->n_storages; i++) {
		const Grpc__Storage *s = req->storages[i];

		if (strcmp(s->driver, "ephemeral"))
			r = err_set(&err, EINVAL, "storage %s (%s) is not ephemeral",
				    s->mount_point, s->driver);
		else if (s->n_options == 0)
			continue; /* nothing to change, mounted or not */
		else if (!storage_is_held(ctx, s->mount_point))
			r = err_set(&err, ENOENT, "storage %s is not mounted", s->mount_point);
		else
			r = storage_remount(s, &err);
	}
	if (r < 0)
		ttrpc_fail_err(call, &err);
	else
		rpc_reply_empty(call);
}

/*
 * In a child: a look at each mount of the shared directory has the host's server
 * forget those that are gone there, and it may not answer.
 */
static int look_at_shares(void *arg, struct err *err)
{
	auto_str struct str text = STR_INIT;
	char *save = NULL, *point;
	struct stat st;
	int r = file_read("/proc/self/mountinfo", MOUNTS_MAX, &text, err);

	(void)arg;
	if (r < 0 || !text.data)
		return r;
	for (char *l = strtok_r(text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		/* The fifth field of proc_pid_mountinfo(5). */
		for (int i = 0; i < 4 && l; i++)
			l = strchr(l, ' ') ? strchr(l, ' ') + 1 : NULL;
		point = l ? strsep(&l, " ") : NULL;
		if (point && str_starts(point, COPY_FILE_DIR "/"))
			(void)stat(point, &st); /* to look is all there is to do */
	}
	return 0;
}

static void on_looked(const struct err *err, void *arg)
{
	if (err)
		ttrpc_fail_err(arg, err);
	else
		rpc_reply_empty(arg);
}

void rpc_remove_stale_shares(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const struct agent *agent = ctx;

	(void)msg;
	job_run(agent->loop, look_at_shares, on_looked, call);
}

/* In a job too: the volume may lie in the shared directory. */
struct volume_look {
	struct ttrpc_call *call;
	const Grpc__VolumeStatsRequest *req; /* lives until the call is answered */
	struct output *fs;		     /* a struct statfs */
};

static int look_at_volume(void *arg, struct err *err)
{
	const struct volume_look *v = arg;
	struct statfs fs;

	if (statfs(v->req->volume_guest_path, &fs) < 0)
		return err_sys(err, errno, "volume %s", v->req->volume_guest_path);
	memcpy(v->fs->data, &fs, sizeof(fs));
	return 0;
}

static void reply_volume_stats(struct ttrpc_call *call, const struct statfs *s)
{
	Grpc__VolumeStatsResponse rsp = GRPC__VOLUME_STATS_RESPONSE__INIT;
	Grpc__VolumeCondition condition = GRPC__VOLUME_CONDITION__INIT;
	Grpc__VolumeUsage bytes = GRPC__VOLUME_USAGE__INIT, inodes = GRPC__VOLUME_USAGE__INIT;
	Grpc__VolumeUsage *usage[] = { &bytes, &inodes };

	bytes.total = s->f_blocks * (uint64_t)s->f_bsize;
	bytes.available = s->f_bfree * (uint64_t)s->f_bsize;
	bytes.used = bytes.total - bytes.available;
	bytes.unit = GRPC__VOLUME_USAGE__UNIT__BYTES;
	inodes.total = s->f_files;
	inodes.available = s->f_ffree;
	inodes.used = s->f_files - s->f_ffree;
	inodes.unit = GRPC__VOLUME_USAGE__UNIT__INODES;
	condition.message = (char *)"OK";
	rsp.usage = usage;
	rsp.n_usage = 2;
	rsp.volume_condition = &condition;
	ttrpc_reply(call, &rsp.base);
}

static void on_volume(const struct err *err, void *arg)
{
	struct volume_look *v = arg;
	struct statfs fs;

	if (err) {
		ttrpc_fail_err(v->call, err);
	} else {
		memcpy(&fs, v->fs->data, sizeof(fs));
		reply_volume_stats(v->call, &fs);
	}
	output_free(v->fs);
	free(v);
}

void rpc_get_volume_stats(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	struct volume_look *v = xcalloc(1, sizeof(*v));
	const struct agent *agent = ctx;
	struct err err = ERR_INIT;

	v->call = call;
	v->req = (const Grpc__VolumeStatsRequest *)msg;
	v->fs = output_new(sizeof(struct statfs), &err);
	if (v->fs)
		job_run(agent->loop, look_at_volume, on_volume, v);
	else
		on_volume(&err, v);
}

/* A call that a job carries out; its request lives until it is answered. */
struct task {
	struct ttrpc_call *call;
	const ProtobufCMessage *req;
};

static void on_task(const struct err *err, void *arg)
{
	struct task *t = arg;

	if (err) {
		log_error("%s: %s", ttrpc_call_name(t->call), err_msg(err));
		ttrpc_fail_err(t->call, err);
	} else {
		rpc_reply_empty(t->call);
	}
	free(t);
}

static void run_task(struct agent *agent, struct ttrpc_call *call, const ProtobufCMessage *req,
		     job_fn fn)
{
	struct task *t = xcalloc(1, sizeof(*t));

	t->call = call;
	t->req = req;
	job_run(agent->loop, fn, on_task, t);
}

static int resize_volume(void *arg, struct err *err)
{
	const struct task *t = arg;
	const Grpc__ResizeVolumeRequest *req = (const Grpc__ResizeVolumeRequest *)t->req;

	return block_resize(req->volume_guest_path, req->size, err);
}

void rpc_resize_volume(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	run_task(ctx, call, msg, resize_volume);
}

static int swap_on(const char *path, struct err *err)
{
	return swapon(path, 0) < 0 ? err_sys(err, errno, "swap on %s", path) : 0;
}

static int add_swap(void *arg, struct err *err)
{
	const struct task *t = arg;
	const Grpc__AddSwapRequest *req = (const Grpc__AddSwapRequest *)t->req;
	auto_str struct str path = STR_INIT;
	auto_free char *node = NULL;
	int r;

	for (size_t i = 0; i < req->n_pcipath; i++)
		str_printf(&path, "%s%02x", i ? "/" : "", req->pcipath[i]);
	r = device_wait_pci_disk(str_text(&path), &node, err);
	return r < 0 ? err_wrap(err, "swap") : swap_on(node, err);
}

static int add_swap_path(void *arg, struct err *err)
{
	const struct task *t = arg;

	return swap_on(((const Grpc__AddSwapPathRequest *)t->req)->path, err);
}

static bool memory_is_ours(const struct agent *agent, struct ttrpc_call *call)
{
	if (!agent->guest)
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the memory is the host's");
	return agent->guest;
}

void rpc_add_swap(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	if (memory_is_ours(ctx, call))
		run_task(ctx, call, msg, add_swap);
}

void rpc_add_swap_path(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	if (memory_is_ours(ctx, call))
		run_task(ctx, call, msg, add_swap_path);
}
