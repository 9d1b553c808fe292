/* SPDX-License-Identifier: Apache-2.0 */
/* pause, resume, update, ps and events against a Task service. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/shim.pb-c.h"
#include "proto/task.pb-c.h"
#include "verbs.h"

static struct str log_;
static bool fails, ends;
static unsigned asked;

static void reply_empty(struct ttrpc_call *call)
{
	Google__Protobuf__Empty rsp = GOOGLE__PROTOBUF__EMPTY__INIT;

	if (ends)
		ttrpc_fail(call, TTRPC_UNAVAILABLE, "the shim is shutting down");
	else if (fails)
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "container cc is so and so");
	else
		ttrpc_reply(call, &rsp.base);
}

static void on_pause(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)ctx;
	str_printf(&log_, "pause:%s ", ((const Containerd__Task__V2__PauseRequest *)msg)->id);
	reply_empty(call);
}

static void on_resume(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)ctx;
	str_printf(&log_, "resume:%s ", ((const Containerd__Task__V2__ResumeRequest *)msg)->id);
	reply_empty(call);
}

/* The JSON without its blanks. */
static void on_update(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Google__Protobuf__Any *any =
		((const Containerd__Task__V2__UpdateTaskRequest *)msg)->resources;

	(void)ctx;
	assert_string_equal(any->type_url,
			    "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources");
	for (size_t i = 0; i < any->value.len; i++)
		if (!strchr(" \n\t", any->value.data[i]))
			str_putc(&log_, (char)any->value.data[i]);
	reply_empty(call);
}

static void on_state(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	Containerd__Task__V2__StateResponse rsp = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;

	(void)msg;
	(void)ctx;
	rsp.status = fails ? CONTAINERD__V1__TYPES__STATUS__STOPPED :
			     CONTAINERD__V1__TYPES__STATUS__RUNNING;
	ttrpc_reply(call, &rsp.base);
}

static void on_stats(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	Grpc__StatsContainerResponse rsp = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	Grpc__CgroupStats cgroup = GRPC__CGROUP_STATS__INIT;
	Grpc__PidsStats pids = GRPC__PIDS_STATS__INIT;
	Grpc__MemoryStats memory = GRPC__MEMORY_STATS__INIT;
	Grpc__MemoryData usage = GRPC__MEMORY_DATA__INIT;
	Grpc__MemoryStats__StatsEntry line = GRPC__MEMORY_STATS__STATS_ENTRY__INIT, *lines = &line;
	Grpc__NetworkStats net = GRPC__NETWORK_STATS__INIT, *nets = &net;

	(void)msg;
	(void)ctx;
	pids.current = 3;
	usage.limit = UINT64_MAX;
	usage.usage = 5;
	line.key = (char *)"anon";
	line.value = 6;
	memory.usage = &usage;
	memory.stats = &lines;
	memory.n_stats = 1;
	net.name = (char *)"eth0";
	net.rx_bytes = 7;
	cgroup.pids_stats = &pids;
	cgroup.memory_stats = &memory;
	rsp.cgroup_stats = &cgroup;
	rsp.network_stats = &nets;
	rsp.n_network_stats = 1;
	ttrpc_reply(call, &rsp.base);
}

static void on_list(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__ListProcessesRequest *req = (const Grpc__ListProcessesRequest *)msg;
	Grpc__ListProcessesResponse rsp = GRPC__LIST_PROCESSES_RESPONSE__INIT;
	static char text[] = "[1,2]";

	(void)ctx;
	str_printf(&log_, "list:%s:%s", req->container_id, req->format);
	for (size_t i = 0; i < req->n_args; i++)
		str_printf(&log_, ":%s", req->args[i]);
	rsp.process_list.data = (uint8_t *)text;
	rsp.process_list.len = 5;
	if (fails)
		ttrpc_fail(call, TTRPC_UNIMPLEMENTED, "agent: ListProcesses: method");
	else
		ttrpc_reply(call, &rsp.base);
}

struct late {
	struct ttrpc_call *call;
	Kata__Shim__NextEventResponse rsp;
};

static void on_late(void *arg)
{
	struct late *l = arg;

	ttrpc_reply(l->call, &l->rsp.base);
	free(l);
}

/* Out of memory, the end after two looks, and another one behind it. */
static void on_next(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	static const uint64_t after[] = { UINT64_MAX, 1, 1, 2 };
	struct late *l = xcalloc(1, sizeof(*l));
	struct verbs *v = ctx;

	assert_true(asked < ARRAY_SIZE(after));
	assert_int_equal(((const Kata__Shim__NextEventRequest *)msg)->after, after[asked]);
	kata__shim__next_event_response__init(&l->rsp);
	l->call = call;
	l->rsp.kind = asked % 2 ? KATA__SHIM__NEXT_EVENT_RESPONSE__KIND__EXIT :
				  KATA__SHIM__NEXT_EVENT_RESPONSE__KIND__OOM;
	l->rsp.number = asked < 2 ? 1 : 2;
	loop_add_timer(v->loop, asked == 1 ? 250 : 0, on_late, l);
	asked++;
}

static int setup(void **state)
{
	static const struct ttrpc_method task[] = {
		{ "Pause", on_pause },
		{ "Resume", on_resume },
		{ "Update", on_update },
		{ "State", on_state },
		{ 0 },
	};
	static const struct ttrpc_method own[] = {
		{ "Stats", on_stats }, { "ListProcesses", on_list }, { "NextEvent", on_next }, { 0 }
	};

	verbs_setup(state);
	verbs_serve(*state, &containerd__task__v2__task__descriptor, task);
	verbs_serve(*state, &kata__shim__shim__descriptor, own);
	fails = ends = false;
	asked = 0;
	return 0;
}

static int teardown(void **state)
{
	str_free(&log_);
	return verbs_teardown(state);
}

static void expect(struct verbs *v, const struct command *c, const char *line, int status,
		   const char *said, const char *asked_for)
{
	str_free(&log_);
	assert_int_equal(verbs_run(v, c, line, NULL), status);
	assert_string_equal(str_text(&v->said), said);
	assert_string_equal(str_text(&log_), asked_for);
}

static void pause_and_resume(void **state)
{
	expect(*state, &cmd_pause, "cc", 0, "", "pause:cc ");
	expect(*state, &cmd_resume, "cc", 0, "", "resume:cc ");
	fails = true;
	expect(*state, &cmd_pause, "cc", 1, "kata-runtime: container cc is so and so\n",
	       "pause:cc ");
	ends = true;
	expect(*state, &cmd_resume, "cc", 1,
	       "kata-runtime: container cc: the shim is shutting down\n", "resume:cc ");
	expect(*state, &cmd_pause, "dd", 1, "kata-runtime: container dd does not exist\n", "");
}

static void update_by_flags(void **state)
{
	expect(*state, &cmd_update, "--memory 64m --memory-swap -1 --pids-limit 7 cc", 0, "",
	       "{\"memory\":{\"limit\":67108864,\"swap\":-1},\"pids\":{\"limit\":7}}");
	expect(*state, &cmd_update, "--memory-reservation=1.5KiB --blkio-weight 10 cc", 0, "",
	       "{\"memory\":{\"reservation\":1536},\"blockIO\":{\"weight\":10}}");
	expect(*state, &cmd_update,
	       "--cpu-shares 512 --cpu-quota -1 --cpu-period 50000 --cpuset-cpus 0-1 cc", 0, "",
	       "{\"cpu\":{\"shares\":512,\"quota\":-1,\"period\":50000,\"cpus\":\"0-1\"}}");
	expect(*state, &cmd_update, "--cpu-burst 1000 --cpu-idle 1 cc", 0, "",
	       "{\"cpu\":{\"burst\":1000,\"idle\":1}}");
}

static void update_by_json(void **state)
{
	struct verbs *v = *state;

	assert_int_equal(verbs_run(v, &cmd_update, "--resources - cc",
				   "{\"memory\":{\"limit\":5},\"unknown\":1}"),
			 0);
	assert_string_equal(str_text(&log_), "{\"memory\":{\"limit\":5}}");
	assert_int_equal(verbs_run(v, &cmd_update, "-r - cc", "{\"memory\":\n{]}"), 1);
	assert_non_null(strstr(str_text(&v->said), "kata-runtime: standard input:2:2: "));
	assert_int_equal(verbs_run(v, &cmd_update, "-r - cc", "{\"cpu\":{\"shares\":true}}"), 1);
	assert_non_null(strstr(str_text(&v->said), "standard input: cpu.shares: must be"));
	expect(v, &cmd_update, "-r /nonexistent cc", 1,
	       "kata-runtime: /nonexistent: No such file or directory\n", "");
}

static void update_names_the_flag(void **state)
{
	static const char *const lines[][2] = {
		{ "--memory 5x cc", "flag --memory: \"5x\" is no size" },
		{ "--memory -2 cc", "flag --memory: \"-2\" is no size" },
		{ "--memory nan cc", "flag --memory: \"nan\" is no size" },
		{ "--memory-swap 99999999999g cc",
		  "flag --memory-swap: \"99999999999g\" is no size" },
		{ "--cpu-idle 2 cc", "flag --cpu-idle: 2 is not between 0 and 1" },
		{ "--cpu-burst -1 cc",
		  "flag --cpu-burst: -1 is not between 0 and 9223372036854775" },
		{ "--cpu-quota 1.5 cc", "flag --cpu-quota: \"1.5\" is no whole number" },
		{ "--cpu-share 300000 cc", "flag --cpu-share: 300000 is not between 0 and 262144" },
		{ "--blkio-weight 9 cc", "flag --blkio-weight: 9 is not between 10 and 1000" },
		{ "cc", "update: no limit is given; see kata-runtime update --help" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		auto_free char *said = xasprintf("kata-runtime: %s\n", lines[i][1]);

		expect(*state, &cmd_update, lines[i][0], 1, said, "");
	}
}

static void ps(void **state)
{
	expect(*state, &cmd_ps, "cc", 0, "[1,2]", "list:cc:table");
	expect(*state, &cmd_ps, "cc -o pid,comm", 0, "[1,2]", "list:cc:table:-o:pid,comm");
	/* Numbers of the host, where nothing stands for it here. */
	expect(*state, &cmd_ps, "--format json cc -ef", 0, "null\n", "");
	expect(*state, &cmd_ps, "--format xml cc", 1,
	       "kata-runtime: flag --format takes table or json, not \"xml\"\n", "");
	expect(*state, &cmd_ps, "--format json dd", 1,
	       "kata-runtime: container dd does not exist\n", "");
	expect(*state, &cmd_ps, "-f json ../cc", 1,
	       "kata-runtime: invalid container ID '../cc': it must be 2 to 128 letters, digits, "
	       "'_', '.' or '-', and begin with a letter or digit\n",
	       "");
	/* What has stopped, whatever kept the list from being had. */
	fails = true;
	expect(*state, &cmd_ps, "cc", 0, "UID PID PPID C STIME TTY TIME CMD\n", "list:cc:table");
	expect(*state, &cmd_ps, "cc -o pid,comm", 0, "", "list:cc:table:-o:pid,comm");
	expect(*state, &cmd_ps, "-f json cc", 0, "null\n", "");
}

#define STATS                                                                                  \
	"{\"type\":\"stats\",\"id\":\"cc\",\"data\":{\"cpu\":{\"usage\":{\"total\":0,"         \
	"\"kernel\":0,\"user\":0},\"throttling\":{}},\"memory\":{\"cache\":0,\"usage\":{"      \
	"\"limit\":18446744073709551615,\"usage\":5,\"max\":0,\"failcnt\":0},\"swap\":{"       \
	"\"limit\":0,\"usage\":0,\"max\":0,\"failcnt\":0},\"kernel\":{\"limit\":0,\"usage\":0" \
	",\"max\":0,\"failcnt\":0},\"kernelTCP\":{\"limit\":0,\"usage\":0,\"max\":0,"          \
	"\"failcnt\":0},\"raw\":{\"anon\":6}},\"pids\":{\"current\":3,\"limit\":0},"           \
	"\"blkio\":{},\"hugetlb\":{},\"network_interfaces\":[{\"Name\":\"eth0\","              \
	"\"RxBytes\":7,\"RxPackets\":0,\"RxErrors\":0,\"RxDropped\":0,\"TxBytes\":0,"          \
	"\"TxPackets\":0,\"TxErrors\":0,\"TxDropped\":0}]}}\n"

static void events_once(void **state)
{
	expect(*state, &cmd_events, "--stats cc", 0, STATS, "");
	fails = true;
	expect(*state, &cmd_events, "--stats cc", 1, "kata-runtime: container cc is not running\n",
	       "");
	expect(*state, &cmd_events, "--interval 5x cc", 1,
	       "kata-runtime: flag --interval: \"5x\" is no time like 5s or 500ms\n", "");
	expect(*state, &cmd_events, "--interval 0s cc", 1,
	       "kata-runtime: flag --interval: \"0s\" is no time like 5s or 500ms\n", "");
}

static void events_until_the_end(void **state)
{
	struct verbs *v = *state;
	static const char oom[] = "{\"type\":\"oom\",\"id\":\"cc\"}\n";
	const char *text;

	assert_int_equal(verbs_run(v, &cmd_events, "--interval 0m0.1s cc", NULL), 0);
	text = str_text(&v->said);
	assert_int_equal(strncmp(text, oom, strlen(oom)), 0);
	text += strlen(oom);
	assert_int_equal(strncmp(text, STATS, strlen(STATS)), 0);
	assert_string_equal(text + strlen(text) - strlen(oom), oom);
	assert_int_equal(asked, 4);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pause_and_resume),
		T(update_by_flags),
		T(update_by_json),
		T(update_names_the_flag),
		T(ps),
		T(events_once),
		T(events_until_the_end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
