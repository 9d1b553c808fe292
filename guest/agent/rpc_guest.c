/* SPDX-License-Identifier: Apache-2.0 */
/* What concerns the guest as a whole. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/random.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/agent/metrics.h"
#include "guest/agent/oom.h"
#include "guest/agent/policy.h"
#include "guest/agent/rpc.h"
#include "guest/agent/storage.h"
#include "proto/health.pb-c.h"

#define MEMORY_DIR "/sys/devices/system/memory"
#define CPU_DIR	   "/sys/devices/system/cpu"
#define SEED_MAX   4096

/* As the original: a hundred looks. */
#define CPU_LOOK_MS 50
#define CPU_MS	    5000

void rpc_check(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	Grpc__HealthCheckResponse rsp = GRPC__HEALTH_CHECK_RESPONSE__INIT;

	(void)msg;
	(void)ctx;
	rsp.status = GRPC__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
	ttrpc_reply(call, &rsp.base);
}

void rpc_version(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	Grpc__VersionCheckResponse rsp = GRPC__VERSION_CHECK_RESPONSE__INIT;

	(void)msg;
	(void)ctx;
	rsp.grpc_version = (char *)"0.0.1";
	rsp.agent_version = (char *)AGENT_VERSION;
	ttrpc_reply(call, &rsp.base);
}

void rpc_get_guest_details(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__GuestDetailsRequest *req = (const Grpc__GuestDetailsRequest *)msg;
	Grpc__GuestDetailsResponse rsp = GRPC__GUEST_DETAILS_RESPONSE__INIT;
	Grpc__AgentDetails details = GRPC__AGENT_DETAILS__INIT;
	auto_str struct str text = STR_INIT;
	const struct agent *agent = ctx;
	/* Not "agent-policy": whoever looks for that has policies in Rego to set. */
	static char *features[] = { (char *)"seccomp" };
	size_t n = 0;

	/* A kernel without memory hotplug has no block size: 0 says so. */
	if (req->mem_block_size && file_read(MEMORY_DIR "/block_size_bytes", 64, &text, NULL) == 0)
		rsp.mem_block_size_bytes = strtoull(str_text(&text), NULL, 16);
	rsp.support_mem_hotplug_probe =
		req->mem_hotplug_probe && access(MEMORY_DIR "/probe", F_OK) == 0;
	while (storage_drivers[n])
		n++;
	details.version = (char *)AGENT_VERSION;
	details.init_daemon = agent->init;
	details.supports_seccomp = 1;
	details.n_storage_handlers = n;
	details.storage_handlers = (char **)(uintptr_t)storage_drivers;
	details.n_extra_features = 1;
	details.extra_features = features;
	rsp.agent_details = &details;
	ttrpc_reply(call, &rsp.base);
}

void rpc_get_oom_event(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)msg;
	oom_call(ctx, call);
}

/* Write "1" to DIR/NAME*'/online where it says 0. Returns how many came. */
static size_t online(const char *dir, const char *prefix)
{
	auto_closedir DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d))) {
		auto_free char *path = NULL;
		auto_str struct str now = STR_INIT;

		if (!str_starts(e->d_name, prefix) ||
		    !strchr("0123456789", e->d_name[strlen(prefix)]))
			continue;
		path = xasprintf("%s/%s/online", dir, e->d_name);
		/* The first CPU has no such file. */
		if (file_read(path, 16, &now, NULL) < 0 || !str_starts(str_text(&now), "0"))
			continue;
		n += file_write_knob(path, "1", 1, NULL) == 0;
	}
	return n;
}

/* The CPUs of a list such as "0-3,5". */
static unsigned count_list(const char *list)
{
	unsigned n = 0;

	while (isdigit((unsigned char)*list)) {
		char *end;
		unsigned long from = strtoul(list, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		n += to >= from ? (unsigned)(to - from + 1) : 0;
		list = *end == ',' ? end + 1 : end;
	}
	return n;
}

static unsigned cpus_online(void)
{
	auto_str struct str text = STR_INIT;

	return file_read(CPU_DIR "/online", 4096, &text, NULL) < 0 ? 0 :
								     count_list(str_text(&text));
}

/* CPUs that are on their way still. */
struct cpu_wait {
	struct agent *agent;
	struct ttrpc_call *call;
	unsigned wanted;
	int64_t deadline;
};

/* Each container as far as can be: the processors are online all the same. */
static void give_cpus(const struct agent *agent)
{
	struct list *it;

	list_for_each(it, &agent->containers) {
		const struct container *c = container_of(it, struct container, link);
		struct err err = ERR_INIT;

		if (c->cgroup && cgroup_cpus_came(c->cgroup, c->cpus, &err) < 0)
			log_warn("container %s: %s, ignoring", c->id, err_msg(&err));
	}
}

static void look_for_cpus(void *arg)
{
	struct cpu_wait *w = arg;
	unsigned now;

	online(CPU_DIR, "cpu");
	now = cpus_online();
	if (now < w->wanted && loop_now_ms() < w->deadline) {
		loop_add_timer(w->agent->loop, CPU_LOOK_MS, look_for_cpus, w);
		return;
	}
	log_info("%u CPUs are online", now);
	give_cpus(w->agent);
	if (now < w->wanted)
		ttrpc_fail(w->call, TTRPC_DEADLINE_EXCEEDED, "%u of %u CPUs are online after %d ms",
			   now, w->wanted, CPU_MS);
	else
		rpc_reply_empty(w->call);
	free(w);
}

/* nb_cpus is how many are to be online in all; 0: whatever there is. */
void rpc_online_cpu_mem(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__OnlineCPUMemRequest *req = (const Grpc__OnlineCPUMemRequest *)msg;
	struct agent *agent = ctx;
	struct cpu_wait *w;

	/* A local process must not turn on what the host's owner turned off. */
	if (!agent->guest) {
		rpc_reply_empty(call);
		return;
	}
	if (!req->cpu_only)
		log_info("%zu memory blocks came online", online(MEMORY_DIR, "memory"));
	w = xcalloc(1, sizeof(*w));
	w->agent = agent;
	w->call = call;
	w->wanted = req->nb_cpus;
	w->deadline = loop_now_ms() + CPU_MS;
	look_for_cpus(w);
}

/* For machines whose firmware does not tell of memory that was plugged in. */
void rpc_mem_hotplug_by_probe(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__MemHotplugByProbeRequest *req = (const Grpc__MemHotplugByProbeRequest *)msg;
	const struct agent *agent = ctx;
	struct err err = ERR_INIT;

	if (!agent->guest) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the memory is the host's");
		return;
	}
	for (size_t i = 0; i < req->n_memhotplugprobeaddr; i++) {
		auto_free char *addr = xasprintf("0x%" PRIX64, req->memhotplugprobeaddr[i]);

		if (file_write_knob(MEMORY_DIR "/probe", addr, strlen(addr), &err) < 0) {
			ttrpc_fail_err(call, &err);
			return;
		}
	}
	rpc_reply_empty(call);
}

void rpc_get_metrics(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	Grpc__Metrics rsp = GRPC__METRICS__INIT;
	auto_str struct str text = STR_INIT;

	(void)msg;
	(void)ctx;
	metrics_write(&text);
	rsp.metrics = text.data;
	ttrpc_reply(call, &rsp.base);
}

void rpc_set_guest_date_time(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__SetGuestDateTimeRequest *req = (const Grpc__SetGuestDateTimeRequest *)msg;
	struct timeval tv = { .tv_sec = req->sec, .tv_usec = req->usec };
	const struct agent *agent = ctx;

	if (!agent->guest)
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "the clock is the host's");
	else if (settimeofday(&tv, NULL) < 0)
		ttrpc_fail(call, ttrpc_code_of_errno(errno), "set the time: %s", strerror(errno));
	else
		rpc_reply_empty(call);
}

/* random(4): mix the data in, then have the generator seed itself from it at once. */
void rpc_reseed_random_dev(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__ReseedRandomDevRequest *req = (const Grpc__ReseedRandomDevRequest *)msg;
	auto_close int fd = open("/dev/random", O_RDWR | O_CLOEXEC);
	auto_free struct rand_pool_info *seed = NULL;

	(void)ctx;
	/* Nothing would leave the generator as it was, and the caller in a wrong belief. */
	if (req->data.len == 0 || req->data.len > SEED_MAX) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "a seed of %zu bytes, 1 to %d are taken",
			   req->data.len, SEED_MAX);
		return;
	}
	seed = xcalloc(1, sizeof(*seed) + req->data.len);
	seed->entropy_count = (int)req->data.len * 8;
	seed->buf_size = (int)req->data.len;
	memcpy(seed->buf, req->data.data, req->data.len);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, seed) < 0 || ioctl(fd, RNDRESEEDCRNG, 0) < 0)
		ttrpc_fail(call, ttrpc_code_of_errno(errno), "reseed: %s", strerror(errno));
	else
		rpc_reply_empty(call);
}

void rpc_set_policy(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__SetPolicyRequest *req = (const Grpc__SetPolicyRequest *)msg;
	struct err err = ERR_INIT;

	(void)ctx;
	if (policy_set(req->policy, &err) < 0)
		ttrpc_fail_err(call, &err);
	else
		rpc_reply_empty(call);
}
