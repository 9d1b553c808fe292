/* SPDX-License-Identifier: Apache-2.0 */
/* What a client asks of a container that is there; the rules of task_client.h hold. */
#ifndef HOST_CLI_TASK_VERBS_H
#define HOST_CLI_TASK_VERBS_H

#include "host/cli/task_client.h"
#include "proto/agent.pb-c.h"

int task_pause(struct task *t, int64_t timeout_ms, struct err *err);
int task_resume(struct task *t, int64_t timeout_ms, struct err *err);
int task_update(struct task *t, const Grpc__LinuxResources *res, int64_t timeout_ms,
		struct err *err);

/* The caller frees *@stats with grpc__stats_container_response__free_unpacked(). */
int task_stats(struct task *t, Grpc__StatsContainerResponse **stats, int64_t timeout_ms,
	       struct err *err);

/*
 * *@list, which the caller frees, as @format ("json", "table") and @args of ps(1) want it.
 * -ENOSYS when the agent in the guest cannot.
 */
int task_list(struct task *t, const char *format, char **args, size_t n_args,
	      Grpc__ListProcessesResponse **list, int64_t timeout_ms, struct err *err);

/*
 * Where the ports of the guest are: *@address, which the caller frees, is "vsock://CID" or
 * "hvsock://PATH"; "unix://PATH" of a serial link to its debug console alone; or "" when
 * nothing can be reached from outside. *@console: the debug console is on.
 */
int task_guest(struct task *t, char **address, bool *console, int64_t timeout_ms, struct err *err);

/*
 * @method of kata.shim.Shim that concerns the guest as a whole. The caller frees *@rsp with
 * protobuf_c_message_free_unpacked().
 */
int task_ask_guest(struct task *t, const char *method, const ProtobufCMessage *req,
		   ProtobufCMessage **rsp, int64_t timeout_ms, struct err *err);

#endif
