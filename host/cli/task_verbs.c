/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/task_verbs.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "oci/spec.h"
#include "proto/shim.pb-c.h"
#include "proto/task.pb-c.h"

static int call(struct task *t, const char *method, const ProtobufCMessage *req, int64_t timeout_ms,
		struct err *err)
{
	return task_call(t, &containerd__task__v2__task__descriptor, method, req, NULL, timeout_ms,
			 NULL, err);
}

static char *id_of(const struct task *t)
{
	return (char *)(uintptr_t)task_id(t);
}

int task_pause(struct task *t, int64_t timeout_ms, struct err *err)
{
	Containerd__Task__V2__PauseRequest req = CONTAINERD__TASK__V2__PAUSE_REQUEST__INIT;

	req.id = id_of(t);
	return call(t, "Pause", &req.base, timeout_ms, err);
}

int task_resume(struct task *t, int64_t timeout_ms, struct err *err)
{
	Containerd__Task__V2__ResumeRequest req = CONTAINERD__TASK__V2__RESUME_REQUEST__INIT;

	req.id = id_of(t);
	return call(t, "Resume", &req.base, timeout_ms, err);
}

int task_update(struct task *t, const Grpc__LinuxResources *res, int64_t timeout_ms,
		struct err *err)
{
	Containerd__Task__V2__UpdateTaskRequest req =
		CONTAINERD__TASK__V2__UPDATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	auto_free char *json = oci_resources_to_json(res);

	any.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
	any.value.data = (uint8_t *)json;
	any.value.len = strlen(json);
	req.id = id_of(t);
	req.resources = &any;
	return call(t, "Update", &req.base, timeout_ms, err);
}

int task_stats(struct task *t, Grpc__StatsContainerResponse **stats, int64_t timeout_ms,
	       struct err *err)
{
	Kata__Shim__ContainerRequest req = KATA__SHIM__CONTAINER_REQUEST__INIT;

	req.id = id_of(t);
	return task_call(t, &kata__shim__shim__descriptor, "Stats", &req.base, NULL, timeout_ms,
			 (ProtobufCMessage **)stats, err);
}

int task_list(struct task *t, const char *format, char **args, size_t n_args,
	      Grpc__ListProcessesResponse **list, int64_t timeout_ms, struct err *err)
{
	Grpc__ListProcessesRequest req = GRPC__LIST_PROCESSES_REQUEST__INIT;

	req.container_id = id_of(t);
	req.format = (char *)(uintptr_t)format;
	req.args = args;
	req.n_args = n_args;
	return task_call(t, &kata__shim__shim__descriptor, "ListProcesses", &req.base, NULL,
			 timeout_ms, (ProtobufCMessage **)list, err);
}

int task_guest(struct task *t, char **address, bool *console, int64_t timeout_ms, struct err *err)
{
	Kata__Shim__ContainerRequest req = KATA__SHIM__CONTAINER_REQUEST__INIT;
	Kata__Shim__GuestResponse *rsp = NULL;
	int r;

	req.id = id_of(t);
	r = task_call(t, &kata__shim__shim__descriptor, "Guest", &req.base, NULL, timeout_ms,
		      (ProtobufCMessage **)&rsp, err);
	if (r < 0)
		return r;
	*address = xstrdup(rsp->address);
	*console = rsp->debug_console;
	kata__shim__guest_response__free_unpacked(rsp, NULL);
	return 0;
}

int task_ask_guest(struct task *t, const char *method, const ProtobufCMessage *req,
		   ProtobufCMessage **rsp, int64_t timeout_ms, struct err *err)
{
	return task_call(t, &kata__shim__shim__descriptor, method, req, NULL, timeout_ms, rsp, err);
}
