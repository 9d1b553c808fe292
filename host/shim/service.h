/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's Task service (task.proto), under the names of its versions 2 and 3,
 * whose messages are the same; and our own service (shim.proto). Every `pid` is that
 * of the process's stand-in, or, where there is none, of the virtual machine.
 */
#ifndef HOST_SHIM_SERVICE_H
#define HOST_SHIM_SERVICE_H

#include <time.h>

#include "host/shim/task.h"
#include "proto/task.pb-c.h"
#include "ttrpc/ttrpc.h"

/* Serve the Task service of @s, the Sandbox service and our own. */
void service_add(struct ttrpc_server *server, struct shim *s);
void service_add_sandbox(struct ttrpc_server *server, struct shim *s);
void service_add_own(struct ttrpc_server *server, struct shim *s);

/*
 * The task, or the process, that a request names. Without it, and while the
 * shim ends, @call is answered with an error and NULL is returned.
 */
struct task *service_task(struct shim *s, struct ttrpc_call *call, const char *id);
struct process *service_process(struct shim *s, struct ttrpc_call *call, const char *id,
				const char *exec_id);

Google__Protobuf__Timestamp service_timestamp(struct timespec t);

void service_reply_empty(struct ttrpc_call *call);

/* A sandbox_done whose @arg is the call to answer. */
void service_done(const struct err *err, void *arg);

/* The handlers of service_process.c. */
void service_start(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void service_exec(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void service_kill(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void service_delete(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void service_resize_pty(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void service_close_io(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

/* The handlers of service_control.c. */
void service_pause(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void service_resume(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void service_checkpoint(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void service_update(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void service_stats(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

#endif
