/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a container while it is there: rest, limits, numbers, events. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "fixture.h"
#include "proto/containerd_metrics_v1.pb-c.h"
#include "proto/containerd_metrics_v2.pb-c.h"
#include "proto/shim.pb-c.h"

#define PAUSED	 CONTAINERD__V1__TYPES__STATUS__PAUSED
#define CREATED	 CONTAINERD__V1__TYPES__STATUS__CREATED
#define RUNNING	 CONTAINERD__V1__TYPES__STATUS__RUNNING
#define STOPPED	 CONTAINERD__V1__TYPES__STATUS__STOPPED
#define LIMIT_MS 5000

static void run_it(struct fixture *f)
{
	assert_ok(create(f));
	assert_ok(get(f, "Start", ""));
}

static void pauses_and_goes_on(void **state)
{
	struct fixture *f = *state;
	struct result pause;

	assert_fails(get(f, "Pause", ""), TTRPC_NOT_FOUND, "container cc not found");
	assert_ok(create(f));
	/* Before its start, as with runc. */
	assert_ok(get(f, "Pause", ""));
	assert_int_equal(get(f, "State", "").state, PAUSED);
	assert_fails(get(f, "Start", ""), TTRPC_FAILED_PRECONDITION, "container cc is paused");
	assert_fails(get(f, "Delete", ""), TTRPC_FAILED_PRECONDITION,
		     "cannot delete container cc: it is paused");
	assert_ok(get(f, "Resume", ""));
	assert_int_equal(get(f, "State", "").state, CREATED);
	assert_ok(get(f, "Start", ""));
	assert_fails(get(f, "Resume", ""), TTRPC_FAILED_PRECONDITION, "container cc is not paused");
	fake.hold[FAKE_PAUSE] = true;
	ask(f, "Pause", "", &pause);
	settle(f);
	assert_false(pause.done);
	assert_int_equal(get(f, "State", "").state, RUNNING);
	assert_fails(get(f, "Resume", ""), TTRPC_FAILED_PRECONDITION,
		     "container cc is being paused or resumed");
	fake_release(FAKE_PAUSE);
	run_until(f, &pause.done);
	assert_ok(pause);
	assert_int_equal(get(f, "State", "").state, PAUSED);
	assert_fails(get(f, "Pause", ""), TTRPC_FAILED_PRECONDITION,
		     "container cc is paused already");
	assert_fails(exec(f, "ee"), TTRPC_FAILED_PRECONDITION, "container cc is paused");
	assert_fails(get(f, "Delete", ""), TTRPC_FAILED_PRECONDITION,
		     "cannot delete container cc: it is paused");
	assert_ok(get(f, "Resume", ""));
	assert_int_equal(get(f, "State", "").state, RUNNING);
	assert_string_equal(str_text(&fake.status),
			    "created paused created running paused running ");
}

static void a_process_that_waits_for_its_start_is_not_started_in_a_paused_one(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	assert_ok(exec(f, "ee"));
	assert_ok(get(f, "Pause", ""));
	assert_fails(get(f, "Start", "ee"), TTRPC_FAILED_PRECONDITION, "container cc is paused");
	assert_ok(get(f, "Resume", ""));
	assert_ok(get(f, "Start", "ee"));
}

static void what_fails_changes_nothing(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	fake.fail[FAKE_PAUSE] = ETIMEDOUT;
	assert_fails(get(f, "Pause", ""), TTRPC_DEADLINE_EXCEEDED, "fake pause fails");
	assert_int_equal(get(f, "State", "").state, RUNNING);
	fake.fail[FAKE_PAUSE] = 0;
	assert_ok(get(f, "Pause", ""));
	fake.fail[FAKE_RESUME] = EIO;
	assert_int_equal(get(f, "Resume", "").code, -EIO);
	assert_int_equal(get(f, "State", "").state, PAUSED);
}

static void a_paused_one_that_is_killed_has_stopped(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	assert_ok(get(f, "Pause", ""));
	assert_ok(kill_it(f, "", SIGKILL));
	fake_exits("", 137);
	assert_ok(get(f, "Wait", ""));
	assert_int_equal(get(f, "State", "").state, STOPPED);
	assert_fails(get(f, "Pause", ""), TTRPC_FAILED_PRECONDITION,
		     "container cc cannot be paused: it is stopped");
	assert_fails(get(f, "Resume", ""), TTRPC_FAILED_PRECONDITION,
		     "container cc cannot be resumed: it is stopped");
	assert_ok(get(f, "Delete", ""));
}

static struct result update(struct fixture *f, const char *type_url, const char *json)
{
	Containerd__Task__V2__UpdateTaskRequest req =
		CONTAINERD__TASK__V2__UPDATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct result r;

	any.type_url = (char *)(uintptr_t)type_url;
	any.value.data = (uint8_t *)(uintptr_t)json;
	any.value.len = strlen(json);
	req.id = (char *)"cc";
	req.resources = &any;
	ask_msg(f, "Update", &req.base, NULL, 0, &r);
	run_until(f, &r.done);
	return r;
}

static void updates_limits(void **state)
{
	static const char type[] =
		"types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
	struct fixture *f = *state;

	assert_fails(update(f, type, "{}"), TTRPC_NOT_FOUND, "container cc not found");
	run_it(f);
	assert_ok(update(f, type, "{\"memory\":{\"limit\":67108864},\"cpu\":{\"shares\":512}}"));
	assert_non_null(strstr(str_text(&fake.log), "update:cc/67108864/512 "));
	assert_fails(update(f, "x/Windows", "{}"), TTRPC_INVALID_ARGUMENT,
		     "resources of type \"x/Windows\" are unknown");
	assert_fails(update(f, type, ""), TTRPC_INVALID_ARGUMENT, "the request has no resources");
	assert_fails(update(f, type, "{\"memory\":{\"limit\":\"x\"}}"), TTRPC_INVALID_ARGUMENT,
		     "resources: memory.limit: must be an integer, not a string");
	fake.fail[FAKE_UPDATE] = EINVAL;
	assert_fails(update(f, type, "{}"), TTRPC_INVALID_ARGUMENT, "fake update fails");
	fake_exits("", 0);
	assert_ok(get(f, "Wait", ""));
	assert_fails(update(f, type, "{}"), TTRPC_FAILED_PRECONDITION,
		     "container cc cannot be updated: it is stopped");
}

static void says_that_it_makes_no_checkpoints(void **state)
{
	struct fixture *f = *state;

	assert_fails(get(f, "Checkpoint", ""), TTRPC_UNIMPLEMENTED,
		     "checkpoints are not supported");
}

static void tells_what_a_container_uses(void **state)
{
	Containerd__Task__V2__StatsRequest req = CONTAINERD__TASK__V2__STATS_REQUEST__INIT;
	Containerd__Task__V2__StatsResponse *rsp = NULL;
	Grpc__StatsContainerResponse stats = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	Grpc__CgroupStats cgroup = GRPC__CGROUP_STATS__INIT;
	Grpc__PidsStats pids = GRPC__PIDS_STATS__INIT;
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	run_it(f);
	pids.current = 7;
	cgroup.pids_stats = &pids;
	stats.cgroup_stats = &cgroup;
	fake.stats = &stats;
	req.id = (char *)"cc";
	assert_int_equal(ttrpc_client_call_sync(f->client, f->loop,
						&containerd__task__v2__task__descriptor, "Stats",
						&req.base, NULL, 0, LIMIT_MS,
						(ProtobufCMessage **)&rsp, &err),
			 0);
	if (!strcmp(rsp->stats->type_url, "io.containerd.cgroups.v1.Metrics")) {
		Io__Containerd__Cgroups__V1__Metrics *m =
			io__containerd__cgroups__v1__metrics__unpack(NULL, rsp->stats->value.len,
								     rsp->stats->value.data);

		assert_int_equal(m->pids->current, 7);
		io__containerd__cgroups__v1__metrics__free_unpacked(m, NULL);
	} else {
		Io__Containerd__Cgroups__V2__Metrics *m =
			io__containerd__cgroups__v2__metrics__unpack(NULL, rsp->stats->value.len,
								     rsp->stats->value.data);

		assert_string_equal(rsp->stats->type_url, "io.containerd.cgroups.v2.Metrics");
		assert_int_equal(m->pids->current, 7);
		io__containerd__cgroups__v2__metrics__free_unpacked(m, NULL);
	}
	containerd__task__v2__stats_response__free_unpacked(rsp, NULL);
	fake.fail[FAKE_STATS] = ENOENT;
	assert_fails(get(f, "Stats", ""), TTRPC_NOT_FOUND, "fake stats fails");
}

static void version_3_is_the_same(void **state)
{
	ProtobufCServiceDescriptor v3 = containerd__task__v2__task__descriptor;
	Containerd__Task__V2__StateRequest req = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	Containerd__Task__V2__StateResponse *rsp = NULL;
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	run_it(f);
	v3.name = "containerd.task.v3.Task";
	req.id = (char *)"cc";
	assert_int_equal(ttrpc_client_call_sync(f->client, f->loop, &v3, "State", &req.base, NULL,
						0, LIMIT_MS, (ProtobufCMessage **)&rsp, &err),
			 0);
	assert_int_equal(rsp->status, RUNNING);
	containerd__task__v2__state_response__free_unpacked(rsp, NULL);
}

static int list(struct fixture *f, Grpc__ListProcessesResponse **rsp, struct err *err)
{
	Grpc__ListProcessesRequest req = GRPC__LIST_PROCESSES_REQUEST__INIT;
	char *args[] = { (char *)"-o", (char *)"pid" };

	req.container_id = (char *)"cc";
	req.format = (char *)"json";
	req.args = args;
	req.n_args = 2;
	return ttrpc_client_call_sync(f->client, f->loop, &kata__shim__shim__descriptor,
				      "ListProcesses", &req.base, NULL, 0, LIMIT_MS,
				      (ProtobufCMessage **)rsp, err);
}

static void lists_processes(void **state)
{
	Grpc__ListProcessesResponse *rsp = NULL;
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	run_it(f);
	assert_int_equal(list(f, &rsp, &err), 0);
	assert_int_equal(rsp->process_list.len, 5);
	assert_memory_equal(rsp->process_list.data, "[1,2]", 5);
	grpc__list_processes_response__free_unpacked(rsp, NULL);
	assert_non_null(strstr(str_text(&fake.log), "list:cc/json/-o/pid "));
	fake_exits("", 0);
	assert_ok(get(f, "Wait", ""));
	assert_int_equal(list(f, &rsp, &err), -EBUSY);
	assert_string_equal(err_msg(&err), "container cc is not running");
}

static void passes_on_what_the_agent_answers(void **state)
{
	Grpc__GetMetricsRequest req = GRPC__GET_METRICS_REQUEST__INIT;
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	Grpc__Metrics *rsp = NULL;

	assert_int_equal(ttrpc_client_call_sync(f->client, f->loop, &kata__shim__shim__descriptor,
						"GetMetrics", &req.base, NULL, 0, LIMIT_MS,
						(ProtobufCMessage **)&rsp, &err),
			 -EBUSY);
	assert_string_equal(err_msg(&err), "the sandbox has no guest that runs");
	run_it(f);
	assert_int_equal(ttrpc_client_call_sync(f->client, f->loop, &kata__shim__shim__descriptor,
						"GetMetrics", &req.base, NULL, 0, LIMIT_MS,
						(ProtobufCMessage **)&rsp, &err),
			 0);
	assert_string_equal(rsp->metrics, fake_metrics.metrics);
	grpc__metrics__free_unpacked(rsp, NULL);
}

struct next {
	bool done;
	int code;
	int kind;
	uint64_t number;
};

static void on_next(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Kata__Shim__NextEventResponse *event = (const Kata__Shim__NextEventResponse *)rsp;
	struct next *n = arg;

	n->done = true;
	n->code = err ? err->code : 0;
	if (event) {
		n->kind = (int)event->kind;
		n->number = event->number;
	}
}

static void ask_next(struct fixture *f, uint64_t after, struct next *n)
{
	Kata__Shim__NextEventRequest req = KATA__SHIM__NEXT_EVENT_REQUEST__INIT;

	*n = (struct next){ 0 };
	req.id = (char *)"cc";
	req.after = after;
	ttrpc_client_call(f->client, &kata__shim__shim__descriptor, "NextEvent", &req.base, 0,
			  on_next, n);
}

#define OOM  ((int)KATA__SHIM__NEXT_EVENT_RESPONSE__KIND__OOM)
#define EXIT ((int)KATA__SHIM__NEXT_EVENT_RESPONSE__KIND__EXIT)

static void no_event_is_lost_or_told_twice(void **state)
{
	struct fixture *f = *state;
	struct next a, b;

	run_it(f);
	fake_ooms("cc");
	ask_next(f, UINT64_MAX, &a); /* from now on */
	ask_next(f, 0, &b);	     /* from the beginning */
	run_until(f, &b.done);
	assert_int_equal(b.kind, OOM);
	assert_int_equal(b.number, 1);
	settle(f);
	assert_false(a.done);
	fake_ooms("cc");
	fake_ooms("cc");
	fake_ooms("another");
	run_until(f, &a.done);
	assert_int_equal(a.number, 2);
	ask_next(f, a.number, &a);
	run_until(f, &a.done);
	assert_int_equal(a.kind, OOM);
	assert_int_equal(a.number, 3);
	ask_next(f, a.number, &a);
	settle(f);
	assert_false(a.done);
	fake_exits("", 0);
	run_until(f, &a.done);
	assert_int_equal(a.kind, EXIT);
	/* What came late is told behind the end still. */
	fake_ooms("cc");
	ask_next(f, a.number, &a);
	run_until(f, &a.done);
	assert_int_equal(a.kind, OOM);
	assert_int_equal(a.number, 4);
	ask_next(f, a.number, &a);
	run_until(f, &a.done);
	assert_int_equal(a.kind, EXIT);
	assert_ok(get(f, "Delete", ""));
	ask_next(f, 0, &a);
	run_until(f, &a.done);
	assert_int_equal(a.code, -ENOENT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pauses_and_goes_on),
		T(a_process_that_waits_for_its_start_is_not_started_in_a_paused_one),
		T(what_fails_changes_nothing),
		T(a_paused_one_that_is_killed_has_stopped),
		T(updates_limits),
		T(says_that_it_makes_no_checkpoints),
		T(tells_what_a_container_uses),
		T(version_3_is_the_same),
		T(lists_processes),
		T(passes_on_what_the_agent_answers),
		T(no_event_is_lost_or_told_twice),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
