/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the Task service for one process of one container. Each
 * call runs the loop until its answer came, so signals and the like are seen
 * meanwhile. Errors are the shim's own; -ECONNRESET means that it went away.
 */
#ifndef HOST_CLI_TASK_CLIENT_H
#define HOST_CLI_TASK_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "host/cli/standin.h"
#include "ttrpc/ttrpc.h"

struct task;

/*
 * Connect to the shim at @address ("unix://" and a path, which may be abstract
 * with '@') for container @id (copied). NULL and @err when nobody listens.
 */
struct task *task_connect(struct loop *loop, const char *address, const char *id, struct err *err);

/* Close. NULL is allowed. */
void task_free(struct task *t);
#define auto_task __attribute__((cleanup(task_cleanup)))
void task_cleanup(struct task **t);

/*
 * Make calls that wait fail with -EINTR as soon as *@stop, which a callback of
 * the loop changes, is not zero. NULL: none does.
 */
void task_set_stop(struct task *t, const int *stop);

/* Whether the connection has ended. */
bool task_lost(const struct task *t);

/* From now on calls are about process @exec_id (copied) of the container; "": the first one. */
void task_set_exec(struct task *t, const char *exec_id);

/* The container's ID, and the connection, for calls that nobody waits for; both the task's. */
const char *task_id(const struct task *t);
struct ttrpc_client *task_client(struct task *t);

/*
 * Call @method of @service; @extra NULL: nothing goes with it. *@rsp, unless @rsp is
 * NULL, is the answer, which the caller frees.
 */
int task_call(struct task *t, const ProtobufCServiceDescriptor *service, const char *method,
	      const ProtobufCMessage *req, const struct ttrpc_extra *extra, int64_t timeout_ms,
	      ProtobufCMessage **rsp, struct err *err);

/* The shim's process. */
int task_shim_pid(struct task *t, pid_t *pid, int64_t timeout_ms, struct err *err);

/*
 * @fds: standard input, output and error of the container, or its terminal; duplicated, as is
 * the shim's end of @standin (NULL: none). *@pid: the process that stands for the container.
 */
int task_create(struct task *t, const char *bundle, bool terminal, const int fds[3],
		const struct standin *standin, int64_t timeout_ms, pid_t *pid, struct err *err);

/*
 * Add @process under the name of task_set_exec(), to be started by task_start(); @fds and
 * @standin as in task_create().
 */
int task_exec(struct task *t, const Grpc__Process *process, const int fds[3],
	      const struct standin *standin, int64_t timeout_ms, struct err *err);

/* *@pid: the process that stands for the container on the host. */
int task_start(struct task *t, pid_t *pid, int64_t timeout_ms, struct err *err);

/* Wait for the end; @timeout_ms 0: without limit. *@status as a shell shows it. */
int task_wait(struct task *t, int *status, int64_t timeout_ms, struct err *err);

/* *@status: one of OCI's, "created", "running", "paused", "stopped"; NULL when unknown. */
int task_state(struct task *t, const char **status, pid_t *pid, int64_t timeout_ms,
	       struct err *err);

int task_kill(struct task *t, int signo, bool all, int64_t timeout_ms, struct err *err);
int task_delete(struct task *t, int64_t timeout_ms, struct err *err);

/* Let the shim end itself and its sandbox. That it goes away is success. */
int task_shutdown(struct task *t, int64_t timeout_ms, struct err *err);

/* Send and go on; a failure is logged. In the order of the calls. */
void task_send_kill(struct task *t, int signo);
void task_send_resize(struct task *t, unsigned int width, unsigned int height);

#endif
