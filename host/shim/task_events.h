/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to tasks, as events for containerd and for kata-runtime. */
#ifndef HOST_SHIM_TASK_EVENTS_H
#define HOST_SHIM_TASK_EVENTS_H

#include "host/shim/task.h"
#include "proto/containerd_events.pb-c.h"
#include "proto/task.pb-c.h"
#include "ttrpc/ttrpc.h"

/*
 * The event of a creation, from its request, to be kept until it has succeeded. The caller
 * frees it with containerd__events__task_create__free_unpacked(event, NULL).
 */
Containerd__Events__TaskCreate *
task_event_prepare(const Containerd__Task__V2__CreateTaskRequest *req);

void task_event_created(struct shim *s, Containerd__Events__TaskCreate *event);
void task_event_started(struct process *p);
void task_event_exec_added(struct process *p);
/* Only for one that ran, or is a task's own. */
void task_event_exited(struct process *p);
void task_event_deleted(struct process *p);
void task_event_paused(struct task *t);
void task_event_resumed(struct task *t);

/* sandbox_watch_oom()'s callback. @arg: struct shim. */
void task_event_oom(const char *id, void *arg);

/* The handler of kata.shim.Shim/NextEvent. @ctx: struct shim. */
void task_event_next(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

/* Answer all who wait for the next event of @t, which is being removed. */
void task_event_end(struct task *t);

#endif
