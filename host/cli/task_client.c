/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/task_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "oci/spec.h"
#include "proto/task.pb-c.h"
#include "ttrpc/ttrpc.h"

#define SEND_LIMIT_MS 10000

struct task {
	struct loop *loop;
	struct ttrpc_client *client;
	char *id;
	char *exec_id; /* "": the init process */
	const int *stop;
	bool lost;
};

static void on_closed(const struct err *err, void *arg)
{
	struct task *t = arg;

	log_debug("the connection to the shim has ended: %s", err_msg(err));
	t->lost = true;
}

struct task *task_connect(struct loop *loop, const char *address, const char *id, struct err *err)
{
	const char *path = str_starts(address, "unix://") ? address + 7 : address;
	struct task *t;
	int fd = unix_connect(path, true, err);

	if (fd < 0)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->loop = loop;
	t->id = xstrdup(id);
	t->exec_id = xstrdup("");
	t->client = ttrpc_client_new(loop, fd, on_closed, t);
	if (!t->client) {
		err_sys(err, errno, "cannot talk to the shim at %s", address);
		free(t->id);
		free(t->exec_id);
		free(t);
		return NULL;
	}
	return t;
}

void task_free(struct task *t)
{
	if (!t)
		return;
	ttrpc_client_free(t->client);
	free(t->id);
	free(t->exec_id);
	free(t);
}

void task_cleanup(struct task **t)
{
	task_free(*t);
}

void task_set_stop(struct task *t, const int *stop)
{
	t->stop = stop;
}

bool task_lost(const struct task *t)
{
	return t->lost;
}

const char *task_id(const struct task *t)
{
	return t->id;
}

void task_set_exec(struct task *t, const char *exec_id)
{
	free(t->exec_id);
	t->exec_id = xstrdup(exec_id);
}

struct ttrpc_client *task_client(struct task *t)
{
	return t->client;
}

/* An answer that is waited for. */
struct answer {
	bool done;
	ProtobufCMessage *rsp; /* a copy */
	struct err err;
};

static void on_answer(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	auto_free uint8_t *wire = NULL;
	struct answer *a = arg;
	size_t len;

	a->done = true;
	if (!rsp) {
		a->err = *err;
		return;
	}
	wire = xmalloc(protobuf_c_message_get_packed_size(rsp) + 1);
	len = protobuf_c_message_pack(rsp, wire);
	a->rsp = protobuf_c_message_unpack(rsp->descriptor, NULL, len, wire);
}

static bool lost_or_late(int code)
{
	return code == -ECONNRESET || code == -ECONNREFUSED || code == -ETIMEDOUT;
}

int task_call(struct task *t, const ProtobufCServiceDescriptor *service, const char *method,
	      const ProtobufCMessage *req, const struct ttrpc_extra *extra, int64_t timeout_ms,
	      ProtobufCMessage **rsp, struct err *err)
{
	const struct ttrpc_extra none = { 0 };
	struct answer a = { .err = ERR_INIT };
	struct ttrpc_pending *p = NULL;

	for (;;) {
		int r = t->stop && *t->stop ? -EINTR : 0;

		if (r == 0 && !p)
			p = ttrpc_client_call_extra(t->client, service, method, req,
						    extra ? extra : &none, timeout_ms, on_answer,
						    &a);
		if (r == 0)
			r = loop_step(t->loop, -1);
		if (a.done)
			break;
		if (r < 0) {
			ttrpc_cancel(&p);
			return err_sys(err, r, "%s was given up", method);
		}
	}
	if (a.err.code) {
		err_set(err, a.err.code, "%s", err_msg(&a.err));
		/* The connection, or a shim that ends or hangs: none says whose. */
		return lost_or_late(a.err.code) ? err_wrap(err, "container %s", t->id) : a.err.code;
	}
	if (rsp)
		*rsp = a.rsp;
	else if (a.rsp)
		protobuf_c_message_free_unpacked(a.rsp, NULL);
	return 0;
}

static int call(struct task *t, const char *method, const ProtobufCMessage *req, int64_t timeout_ms,
		ProtobufCMessage **rsp, struct err *err)
{
	return task_call(t, &containerd__task__v2__task__descriptor, method, req, NULL, timeout_ms,
			 rsp, err);
}

/* As call(), with standard input, output and error, and with a stand-in unless NULL. */
static int call_with_streams(struct task *t, const char *method, const ProtobufCMessage *req,
			     const int fds[3], const struct standin *standin, int64_t timeout_ms,
			     ProtobufCMessage **rsp, struct err *err)
{
	const int all[] = { fds[0], fds[1], fds[2], standin ? standin->shim : -1 };
	auto_free char *value = standin ? xasprintf("3 %d", (int)standin->pid) : NULL;
	const struct ttrpc_extra extra = {
		.fds = all,
		.n = standin ? 4 : 3,
		.key = standin ? "kata-standin" : NULL,
		.value = value,
	};

	return task_call(t, &containerd__task__v2__task__descriptor, method, req, &extra,
			 timeout_ms, rsp, err);
}

int task_shim_pid(struct task *t, pid_t *pid, int64_t timeout_ms, struct err *err)
{
	Containerd__Task__V2__ConnectRequest req = CONTAINERD__TASK__V2__CONNECT_REQUEST__INIT;
	Containerd__Task__V2__ConnectResponse *rsp = NULL;
	int r;

	req.id = t->id;
	r = call(t, "Connect", &req.base, timeout_ms, (ProtobufCMessage **)&rsp, err);
	if (r < 0)
		return r;
	*pid = (pid_t)rsp->shim_pid;
	containerd__task__v2__connect_response__free_unpacked(rsp, NULL);
	return 0;
}

int task_create(struct task *t, const char *bundle, bool terminal, const int fds[3],
		const struct standin *standin, int64_t timeout_ms, pid_t *pid, struct err *err)
{
	Containerd__Task__V2__CreateTaskRequest req =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	Containerd__Task__V2__CreateTaskResponse *rsp = NULL;
	int r;

	req.id = t->id;
	req.bundle = (char *)bundle;
	req.terminal = terminal;
	req.stdin = (char *)"fd:0";
	req.stdout = (char *)"fd:1";
	req.stderr = (char *)"fd:2";
	r = call_with_streams(t, "Create", &req.base, fds, standin, timeout_ms,
			      (ProtobufCMessage **)&rsp, err);
	if (r < 0)
		return r;
	*pid = (pid_t)rsp->pid;
	containerd__task__v2__create_task_response__free_unpacked(rsp, NULL);
	return 0;
}

int task_exec(struct task *t, const Grpc__Process *process, const int fds[3],
	      const struct standin *standin, int64_t timeout_ms, struct err *err)
{
	Containerd__Task__V2__ExecProcessRequest req =
		CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	auto_free char *json = oci_process_to_json(process);

	any.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/Process";
	any.value.data = (uint8_t *)json;
	any.value.len = strlen(json);
	req.id = t->id;
	req.exec_id = t->exec_id;
	req.terminal = process->terminal;
	req.stdin = (char *)"fd:0";
	req.stdout = (char *)"fd:1";
	req.stderr = (char *)"fd:2";
	req.spec = &any;
	return call_with_streams(t, "Exec", &req.base, fds, standin, timeout_ms, NULL, err);
}

int task_start(struct task *t, pid_t *pid, int64_t timeout_ms, struct err *err)
{
	Containerd__Task__V2__StartRequest req = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	Containerd__Task__V2__StartResponse *rsp = NULL;
	int r;

	req.id = t->id;
	req.exec_id = t->exec_id;
	r = call(t, "Start", &req.base, timeout_ms, (ProtobufCMessage **)&rsp, err);
	if (r < 0)
		return r;
	*pid = (pid_t)rsp->pid;
	containerd__task__v2__start_response__free_unpacked(rsp, NULL);
	return 0;
}

int task_wait(struct task *t, int *status, int64_t timeout_ms, struct err *err)
{
	Containerd__Task__V2__WaitRequest req = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	Containerd__Task__V2__WaitResponse *rsp = NULL;
	int r;

	req.id = t->id;
	req.exec_id = t->exec_id;
	r = call(t, "Wait", &req.base, timeout_ms, (ProtobufCMessage **)&rsp, err);
	if (r < 0)
		return r;
	*status = (int)(rsp->exit_status & 0xff);
	containerd__task__v2__wait_response__free_unpacked(rsp, NULL);
	return 0;
}

static const char *status_name(Containerd__V1__Types__Status status)
{
	switch (status) {
	case CONTAINERD__V1__TYPES__STATUS__CREATED:
		return "created";
	case CONTAINERD__V1__TYPES__STATUS__RUNNING:
	case CONTAINERD__V1__TYPES__STATUS__PAUSING:
		return "running";
	case CONTAINERD__V1__TYPES__STATUS__PAUSED:
		return "paused";
	case CONTAINERD__V1__TYPES__STATUS__STOPPED:
		return "stopped";
	default:
		return NULL;
	}
}

int task_state(struct task *t, const char **status, pid_t *pid, int64_t timeout_ms, struct err *err)
{
	Containerd__Task__V2__StateRequest req = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	Containerd__Task__V2__StateResponse *rsp = NULL;
	int r;

	req.id = t->id;
	r = call(t, "State", &req.base, timeout_ms, (ProtobufCMessage **)&rsp, err);
	if (r < 0)
		return r;
	*status = status_name(rsp->status);
	*pid = (pid_t)rsp->pid;
	containerd__task__v2__state_response__free_unpacked(rsp, NULL);
	return 0;
}

int task_kill(struct task *t, int signo, bool all, int64_t timeout_ms, struct err *err)
{
	Containerd__Task__V2__KillRequest req = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;

	req.id = t->id;
	req.exec_id = t->exec_id;
	req.signal = (uint32_t)signo;
	req.all = all;
	return call(t, "Kill", &req.base, timeout_ms, NULL, err);
}

int task_delete(struct task *t, int64_t timeout_ms, struct err *err)
{
	Containerd__Task__V2__DeleteRequest req = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;

	req.id = t->id;
	req.exec_id = t->exec_id;
	return call(t, "Delete", &req.base, timeout_ms, NULL, err);
}

int task_shutdown(struct task *t, int64_t timeout_ms, struct err *err)
{
	Containerd__Task__V2__ShutdownRequest req = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	int r;

	req.id = t->id;
	r = call(t, "Shutdown", &req.base, timeout_ms, NULL, err);
	return r == -ECONNRESET ? 0 : r;
}

static void on_sent(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const char *method = arg;

	if (!rsp)
		log_warn("%s: %s", method, err_msg(err));
}

static void send_off(struct task *t, const char *method, const ProtobufCMessage *req)
{
	ttrpc_client_call(t->client, &containerd__task__v2__task__descriptor, method, req,
			  SEND_LIMIT_MS, on_sent, (void *)method);
}

void task_send_kill(struct task *t, int signo)
{
	Containerd__Task__V2__KillRequest req = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;

	req.id = t->id;
	req.exec_id = t->exec_id;
	req.signal = (uint32_t)signo;
	send_off(t, "Kill", &req.base);
}

void task_send_resize(struct task *t, unsigned int width, unsigned int height)
{
	Containerd__Task__V2__ResizePtyRequest req = CONTAINERD__TASK__V2__RESIZE_PTY_REQUEST__INIT;

	req.id = t->id;
	req.exec_id = t->exec_id;
	req.width = width;
	req.height = height;
	send_off(t, "ResizePty", &req.base);
}
