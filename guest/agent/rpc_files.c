/* SPDX-License-Identifier: Apache-2.0 */
/* Files, volumes and swap of the guest. */
#include <errno.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/swap.h>

#include "base/log.h"
#include "guest/agent/copy_file.h"
#include "guest/agent/rpc.h"
#include "proto/csi.pb-c.h"

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

void rpc_get_volume_stats(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__VolumeStatsRequest *req = (const Grpc__VolumeStatsRequest *)msg;
	Grpc__VolumeStatsResponse rsp = GRPC__VOLUME_STATS_RESPONSE__INIT;
	Grpc__VolumeCondition condition = GRPC__VOLUME_CONDITION__INIT;
	Grpc__VolumeUsage bytes = GRPC__VOLUME_USAGE__INIT, inodes = GRPC__VOLUME_USAGE__INIT;
	Grpc__VolumeUsage *usage[] = { &bytes, &inodes };
	struct statfs s;

	(void)ctx;
	if (statfs(req->volume_guest_path, &s) < 0) {
		ttrpc_fail(call, ttrpc_code_of_errno(errno), "volume %s: %s",
			   req->volume_guest_path, strerror(errno));
		return;
	}
	bytes.total = s.f_blocks * (uint64_t)s.f_bsize;
	bytes.available = s.f_bfree * (uint64_t)s.f_bsize;
	bytes.used = bytes.total - bytes.available;
	bytes.unit = GRPC__VOLUME_USAGE__UNIT__BYTES;
	inodes.total = s.f_files;
	inodes.available = s.f_ffree;
	inodes.used = s.f_files - s.f_ffree;
	inodes.unit = GRPC__VOLUME_USAGE__UNIT__INODES;
	condition.message = (char *)"OK";
	rsp.usage = usage;
	rsp.n_usage = 2;
	rsp.volume_condition = &condition;
	ttrpc_reply(call, &rsp.base);
}

void rpc_add_swap_path(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__AddSwapPathRequest *req = (const Grpc__AddSwapPathRequest *)msg;
	const struct agent *agent = ctx;

	if (!agent->guest)
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the memory is the host's");
	else if (swapon(req->path, 0) < 0)
		ttrpc_fail(call, ttrpc_code_of_errno(errno), "swap on %s: %s", req->path,
			   strerror(errno));
	else
		rpc_reply_empty(call);
}
