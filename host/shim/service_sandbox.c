/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's Sandbox service: a pod without a container of its own (pod.h). */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cgroup/cgroup.h"
#include "host/sandbox/control.h"
#include "host/shim/metrics.h"
#include "host/shim/pod.h"
#include "host/shim/service.h"

/* What the kubelet calls it. */
#define READY	  "SANDBOX_READY"
#define NOT_READY "SANDBOX_NOTREADY"

/* The architecture as Go names it. */
#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#else
#error "an architecture without a name"
#endif

/* The pod, if @id is its; else @call is answered. */
static struct pod *find(struct shim *s, struct ttrpc_call *call, const char *id)
{
	if (s->ending)
		ttrpc_fail(call, TTRPC_UNAVAILABLE, "the shim is shutting down");
	else if (!s->pod || strcmp(id, s->opt.id) != 0)
		ttrpc_fail(call, TTRPC_NOT_FOUND, "sandbox %s not found", id);
	else
		return s->pod;
	return NULL;
}

static void handle_create(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req =
		(const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *)msg;
	Containerd__Runtime__Sandbox__V1__CreateSandboxResponse rsp =
		CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_RESPONSE__INIT;
	struct err err = ERR_INIT;
	struct shim *s = ctx;

	if (s->ending)
		ttrpc_fail(call, TTRPC_UNAVAILABLE, "the shim is shutting down");
	else if (strcmp(req->sandbox_id, s->opt.id) != 0)
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT,
			   "this is the shim of sandbox %s, not of %s", s->opt.id, req->sandbox_id);
	else if (pod_create(s, req, &err) < 0)
		ttrpc_fail_err(call, &err);
	else
		ttrpc_reply(call, &rsp.base);
}

static void handle_start(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Runtime__Sandbox__V1__StartSandboxRequest *req =
		(const Containerd__Runtime__Sandbox__V1__StartSandboxRequest *)msg;
	struct pod *pod = find(ctx, call, req->sandbox_id);

	if (pod)
		pod_start(pod, call);
}

static void handle_platform(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Runtime__Sandbox__V1__PlatformRequest *req =
		(const Containerd__Runtime__Sandbox__V1__PlatformRequest *)msg;
	Containerd__Runtime__Sandbox__V1__PlatformResponse rsp =
		CONTAINERD__RUNTIME__SANDBOX__V1__PLATFORM_RESPONSE__INIT;
	Containerd__Types__Platform platform = CONTAINERD__TYPES__PLATFORM__INIT;

	if (!find(ctx, call, req->sandbox_id))
		return;
	platform.os = (char *)(uintptr_t) "linux";
	platform.architecture = (char *)(uintptr_t)ARCHITECTURE;
	rsp.platform = &platform;
	ttrpc_reply(call, &rsp.base);
}

static void handle_stop(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Runtime__Sandbox__V1__StopSandboxRequest *req =
		(const Containerd__Runtime__Sandbox__V1__StopSandboxRequest *)msg;
	struct pod *pod = find(ctx, call, req->sandbox_id);

	if (pod)
		pod_stop(pod, call);
}

static void handle_wait(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Runtime__Sandbox__V1__WaitSandboxRequest *req =
		(const Containerd__Runtime__Sandbox__V1__WaitSandboxRequest *)msg;
	struct pod *pod = find(ctx, call, req->sandbox_id);

	if (pod)
		pod_wait(pod, call);
}

/* What crictl shows of a pod when asked for more: a JSON object under the name "info". */
static char *describe(const struct pod *pod)
{
	const struct shim *s = pod->shim;
	struct json_object *o = json_object_new_object();
	const struct config *config = s->sandbox ? sandbox_config(s->sandbox) : NULL;
	char *text;

	json_object_object_add(o, "pid",
			       json_object_new_int(s->sandbox ? sandbox_pid(s->sandbox) : 0));
	json_object_object_add(o, "shimPid", json_object_new_int(getpid()));
	json_object_object_add(o, "bundle", json_object_new_string(pod->bundle));
	if (config)
		json_object_object_add(o, "configPath", json_object_new_string(config->path));
	text = xstrdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return text;
}

static void handle_status(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Runtime__Sandbox__V1__SandboxStatusRequest *req =
		(const Containerd__Runtime__Sandbox__V1__SandboxStatusRequest *)msg;
	Containerd__Runtime__Sandbox__V1__SandboxStatusResponse rsp =
		CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_RESPONSE__INIT;
	Containerd__Runtime__Sandbox__V1__SandboxStatusResponse__InfoEntry info =
		CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_RESPONSE__INFO_ENTRY__INIT;
	Containerd__Runtime__Sandbox__V1__SandboxStatusResponse__InfoEntry *infos[] = { &info };
	Google__Protobuf__Timestamp created, exited;
	struct pod *pod = find(ctx, call, req->sandbox_id);
	auto_free char *text = NULL;
	struct shim *s = ctx;

	if (!pod)
		return;
	created = service_timestamp(pod->created_at);
	exited = service_timestamp(pod->exited_at);
	rsp.sandbox_id = (char *)(uintptr_t)s->opt.id;
	rsp.pid = s->sandbox ? (uint32_t)sandbox_pid(s->sandbox) : 0;
	rsp.state = (char *)(uintptr_t)(pod->state == POD_READY ? READY : NOT_READY);
	rsp.created_at = &created;
	rsp.exited_at = pod->state == POD_STOPPED ? &exited : NULL;
	if (req->verbose) {
		text = describe(pod);
		info.key = (char *)(uintptr_t) "info";
		info.value = text;
		rsp.info = infos;
		rsp.n_info = 1;
	}
	ttrpc_reply(call, &rsp.base);
}

static void handle_ping(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Runtime__Sandbox__V1__PingRequest *req =
		(const Containerd__Runtime__Sandbox__V1__PingRequest *)msg;
	Containerd__Runtime__Sandbox__V1__PingResponse rsp =
		CONTAINERD__RUNTIME__SANDBOX__V1__PING_RESPONSE__INIT;
	struct pod *pod = find(ctx, call, req->sandbox_id);

	if (pod && pod->state == POD_STOPPED)
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "sandbox %s has ended",
			   req->sandbox_id);
	else if (pod)
		ttrpc_reply(call, &rsp.base);
}

/* As of the Task service, but that the tasks which are there go, too. */
static void handle_shutdown(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Runtime__Sandbox__V1__ShutdownSandboxRequest *req =
		(const Containerd__Runtime__Sandbox__V1__ShutdownSandboxRequest *)msg;
	struct shim *s = ctx;

	if (strcmp(req->sandbox_id, s->opt.id) != 0) {
		ttrpc_fail(call, TTRPC_NOT_FOUND, "sandbox %s not found", req->sandbox_id);
		return;
	}
	pending_add(&s->ends, call);
	shim_end(s, "ShutdownSandbox was called");
}

/* What the whole sandbox costs the host, its machine and its shim included. */
static void handle_metrics(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Runtime__Sandbox__V1__SandboxMetricsRequest *req =
		(const Containerd__Runtime__Sandbox__V1__SandboxMetricsRequest *)msg;
	Containerd__Runtime__Sandbox__V1__SandboxMetricsResponse rsp =
		CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_METRICS_RESPONSE__INIT;
	Containerd__Types__Metric metric = CONTAINERD__TYPES__METRIC__INIT;
	Grpc__StatsContainerResponse stats = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	Grpc__CgroupStats group = GRPC__CGROUP_STATS__INIT;
	Grpc__CpuStats cpu = GRPC__CPU_STATS__INIT;
	Grpc__CpuUsage usage = GRPC__CPU_USAGE__INIT;
	Grpc__MemoryStats memory = GRPC__MEMORY_STATS__INIT;
	Grpc__MemoryData data = GRPC__MEMORY_DATA__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct pod *pod = find(ctx, call, req->sandbox_id);
	struct prom_usage sum = { 0 };
	Google__Protobuf__Timestamp at;
	struct timespec now;
	struct shim *s = ctx;

	if (!pod)
		return;
	if (pod->state != POD_READY) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "sandbox %s does not run",
			   req->sandbox_id);
		return;
	}
	prom_usage_add(&sum, getpid(), true);
	sandbox_usage(s->sandbox, &sum);
	usage.total_usage = sum.cpu_ns;
	cpu.cpu_usage = &usage;
	data.usage = sum.memory;
	memory.usage = &data;
	group.cpu_stats = &cpu;
	group.memory_stats = &memory;
	stats.cgroup_stats = &group;
	metrics_pack(&stats, cgroup_layout() == CGROUP_UNIFIED, &any);
	clock_gettime(CLOCK_REALTIME, &now);
	at = service_timestamp(now);
	metric.timestamp = &at;
	metric.id = req->sandbox_id;
	metric.data = &any;
	rsp.metrics = &metric;
	ttrpc_reply(call, &rsp.base);
	free(any.value.data);
}

void service_add_sandbox(struct ttrpc_server *server, struct shim *s)
{
	static const struct ttrpc_method methods[] = {
		{ "CreateSandbox", handle_create },   { "StartSandbox", handle_start },
		{ "Platform", handle_platform },      { "StopSandbox", handle_stop },
		{ "WaitSandbox", handle_wait },	      { "SandboxStatus", handle_status },
		{ "PingSandbox", handle_ping },	      { "ShutdownSandbox", handle_shutdown },
		{ "SandboxMetrics", handle_metrics }, { NULL, NULL },
	};

	ttrpc_server_add(server, &containerd__runtime__sandbox__v1__sandbox__descriptor, methods,
			 s);
}
