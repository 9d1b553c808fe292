/* SPDX-License-Identifier: Apache-2.0 */
/* The Sandbox service: a pod's life without a container of its own. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"
#include "host/shim/pod.h"
#include "proto/sandbox.pb-c.h"

#define SERVICE (&containerd__runtime__sandbox__v1__sandbox__descriptor)

/* Of either service. */
#undef assert_ok
#define assert_ok(r)                              \
	do {                                      \
		__typeof__(r) r_ = (r);           \
		assert_string_equal(r_.text, ""); \
		assert_int_equal(r_.code, 0);     \
	} while (0)
#undef assert_fails
#define assert_fails(r, code_, text_)                                  \
	do {                                                           \
		__typeof__(r) r_ = (r);                                \
		assert_string_equal(r_.text, text_);                   \
		assert_int_equal(r_.code, ttrpc_errno_of_code(code_)); \
	} while (0)

struct answer {
	bool done;
	int code;
	char text[256];
	char state[32], info[512], architecture[16];
	uint32_t pid, status;
	bool exited_at;
	size_t stats; /* bytes */
};

static void on_answer(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct answer *a = arg;

	a->done = true;
	if (!rsp) {
		a->code = err->code;
		snprintf(a->text, sizeof(a->text), "%s", err_msg(err));
	} else if (!strcmp(rsp->descriptor->short_name, "StartSandboxResponse")) {
		const Containerd__Runtime__Sandbox__V1__StartSandboxResponse *s = (const void *)rsp;

		a->pid = s->pid;
		assert_non_null(s->created_at);
	} else if (!strcmp(rsp->descriptor->short_name, "WaitSandboxResponse")) {
		const Containerd__Runtime__Sandbox__V1__WaitSandboxResponse *s = (const void *)rsp;

		a->status = s->exit_status;
		a->exited_at = s->exited_at;
	} else if (!strcmp(rsp->descriptor->short_name, "SandboxStatusResponse")) {
		const Containerd__Runtime__Sandbox__V1__SandboxStatusResponse *s =
			(const void *)rsp;

		assert_string_equal(s->sandbox_id, "cc");
		snprintf(a->state, sizeof(a->state), "%s", s->state);
		snprintf(a->info, sizeof(a->info), "%s", s->n_info ? s->info[0]->value : "");
		a->pid = s->pid;
		a->exited_at = s->exited_at;
	} else if (!strcmp(rsp->descriptor->short_name, "PlatformResponse")) {
		const Containerd__Runtime__Sandbox__V1__PlatformResponse *s = (const void *)rsp;

		assert_string_equal(s->platform->os, "linux");
		snprintf(a->architecture, sizeof(a->architecture), "%s", s->platform->architecture);
	} else if (!strcmp(rsp->descriptor->short_name, "SandboxMetricsResponse")) {
		const Containerd__Runtime__Sandbox__V1__SandboxMetricsResponse *s =
			(const void *)rsp;

		assert_string_equal(s->metrics->id, "cc");
		a->stats = s->metrics->data->value.len;
	}
}

/* A method that needs but an ID. */
static void call(struct fixture *f, const char *method, const char *id, struct answer *a)
{
	const ProtobufCMethodDescriptor *m =
		protobuf_c_service_descriptor_get_method_by_name(SERVICE, method);
	const ProtobufCFieldDescriptor *field;
	char *msg;

	assert_non_null(m);
	memset(a, 0, sizeof(*a));
	msg = xcalloc(1, m->input->sizeof_message);
	protobuf_c_message_init(m->input, msg);
	field = protobuf_c_message_descriptor_get_field_by_name(m->input, "sandbox_id");
	*(const char **)(void *)(msg + field->offset) = id;
	field = protobuf_c_message_descriptor_get_field_by_name(m->input, "verbose");
	if (field)
		*(protobuf_c_boolean *)(void *)(msg + field->offset) = true;
	ttrpc_client_call(f->client, SERVICE, method, (const ProtobufCMessage *)(const void *)msg,
			  0, on_answer, a);
	free(msg);
}

static struct answer say(struct fixture *f, const char *method)
{
	struct answer a;

	call(f, method, "cc", &a);
	run_until(f, &a.done);
	return a;
}

static void start_pod(struct fixture *f)
{
	assert_ok(say(f, "CreateSandbox"));
	assert_ok(say(f, "StartSandbox"));
}

static void lives_without_a_container(void **state)
{
	struct fixture *f = *state;
	struct answer wait, a, end;

	assert_fails(say(f, "StartSandbox"), TTRPC_NOT_FOUND, "sandbox cc not found");
	call(f, "CreateSandbox", "other", &a);
	run_until(f, &a.done);
	assert_fails(a, TTRPC_INVALID_ARGUMENT, "this is the shim of sandbox cc, not of other");
	assert_ok(say(f, "CreateSandbox"));
	assert_fails(say(f, "CreateSandbox"), TTRPC_ALREADY_EXISTS, "sandbox cc already exists");
	assert_string_equal(say(f, "SandboxStatus").state, "SANDBOX_NOTREADY");
	a = say(f, "StartSandbox");
	assert_ok(a);
	assert_int_equal(a.pid, 4711);
	assert_fails(say(f, "StartSandbox"), TTRPC_FAILED_PRECONDITION,
		     "sandbox cc was started already");
	a = say(f, "SandboxStatus");
	assert_string_equal(a.state, "SANDBOX_READY");
	assert_int_equal(a.pid, 4711);
	assert_false(a.exited_at);
	assert_non_null(strstr(a.info, "\"pid\":4711"));
	assert_ok(say(f, "PingSandbox"));
	assert_true(strlen(say(f, "Platform").architecture) == 5);
	assert_true(say(f, "SandboxMetrics").stats > 0);
	call(f, "WaitSandbox", "cc", &wait);
	settle(f);
	assert_false(wait.done);
	call(f, "StopSandbox", "cc", &a);
	settle(f);
	assert_false(a.done); /* before the machine is */
	fake_dies("it was stopped");
	run_until(f, &a.done);
	run_until(f, &wait.done);
	assert_ok(wait);
	assert_int_equal(wait.status, 0);
	assert_true(wait.exited_at);
	assert_int_equal(say(f, "WaitSandbox").status, 0);
	assert_ok(say(f, "StopSandbox"));
	assert_string_equal(say(f, "SandboxStatus").state, "SANDBOX_NOTREADY");
	assert_true(say(f, "SandboxStatus").exited_at);
	assert_fails(say(f, "PingSandbox"), TTRPC_FAILED_PRECONDITION, "sandbox cc has ended");
	call(f, "ShutdownSandbox", "cc", &end);
	run_until(f, &end.done);
	assert_ok(end);
	run_until(f, &f->shim->over);
	assert_int_equal(f->shim->status, 0);
	assert_string_equal(str_text(&fake.log), "boot rest stop destroy ");
}

static void is_joined_once_it_runs(void **state)
{
	struct fixture *f = *state;
	struct result r;

	assert_ok(say(f, "CreateSandbox"));
	r = create(f);
	assert_string_equal(r.text, "the sandbox cc is not started");
	assert_ok(say(f, "StartSandbox"));
	assert_ok(create(f));
	assert_ok(get(f, "Start", ""));
	fake_exits("", 0);
	assert_ok(get(f, "Wait", ""));
	assert_ok(get(f, "Delete", ""));
	/* containerd says so after each; the pod is still there. */
	assert_ok(get(f, "Shutdown", ""));
	assert_string_equal(say(f, "SandboxStatus").state, "SANDBOX_READY");
	assert_false(f->shim->ending);
	assert_string_equal(str_text(&fake.log), "boot create:cc start:cc remove:cc ");
}

static void tells_of_its_machines_death(void **state)
{
	struct fixture *f = *state;
	struct answer wait;
	struct result r;

	start_pod(f);
	assert_ok(create(f));
	call(f, "WaitSandbox", "cc", &wait);
	settle(f);
	fake_dies("killed by signal 9");
	run_until(f, &wait.done);
	assert_int_equal(wait.status, 137);
	assert_string_equal(say(f, "SandboxStatus").state, "SANDBOX_NOTREADY");
	assert_fails(say(f, "SandboxMetrics"), TTRPC_FAILED_PRECONDITION,
		     "sandbox cc does not run");
	r = get(f, "Wait", "");
	assert_int_equal(r.status, 137);
	assert_ok(get(f, "Delete", ""));
	assert_ok(say(f, "StopSandbox"));
}

static void survives_a_start_that_fails(void **state)
{
	struct fixture *f = *state;

	fake.fail[FAKE_BOOT] = EIO;
	assert_ok(say(f, "CreateSandbox"));
	assert_string_equal(say(f, "StartSandbox").text, "fake boot fails");
	assert_false(fake.exists);
	assert_string_equal(say(f, "SandboxStatus").state, "SANDBOX_NOTREADY");
	assert_fails(say(f, "StartSandbox"), TTRPC_FAILED_PRECONDITION, "sandbox cc has ended");
	assert_int_equal(say(f, "WaitSandbox").status, 137);
	assert_ok(say(f, "ShutdownSandbox"));
}

static void gives_up_a_start(void **state)
{
	struct fixture *f = *state;
	struct answer start, stop;

	fake.hold[FAKE_BOOT] = true;
	assert_ok(say(f, "CreateSandbox"));
	call(f, "StartSandbox", "cc", &start);
	settle(f);
	assert_string_equal(create(f).text, "the sandbox cc is still being made");
	call(f, "StopSandbox", "cc", &stop);
	settle(f);
	fake_release(FAKE_BOOT);
	run_until(f, &stop.done);
	run_until(f, &start.done);
	assert_ok(stop);
	assert_string_equal(start.text, "the start of sandbox cc was given up");
	assert_false(fake.exists);
}

static void ends_while_it_starts(void **state)
{
	struct fixture *f = *state;
	struct answer start, end;

	fake.hold[FAKE_BOOT] = true;
	assert_ok(say(f, "CreateSandbox"));
	call(f, "StartSandbox", "cc", &start);
	settle(f);
	call(f, "ShutdownSandbox", "cc", &end);
	settle(f);
	fake_release(FAKE_BOOT);
	run_until(f, &end.done);
	run_until(f, &f->shim->over);
	assert_true(start.done);
	assert_false(fake.exists);
}

static void waits_for_containerd_while_it_runs(void **state)
{
	struct fixture *f = *state;

	start_pod(f);
	ttrpc_client_free(f->client);
	f->client = NULL;
	for (int i = 0; i < 60; i++)
		assert_int_equal(loop_step(f->loop, 5), 0);
	assert_false(f->shim->ending);
	fake_dies("killed");
	run_until(f, &f->shim->over); /* nobody will ask any more */
}

static void refuses_what_it_cannot_be(void **state)
{
	Containerd__Runtime__Sandbox__V1__CreateSandboxRequest req =
		CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__INIT;
	Containerd__Types__Mount mount = CONTAINERD__TYPES__MOUNT__INIT, *mounts[] = { &mount };
	struct fixture *f = *state;
	struct answer a = { 0 };

	req.sandbox_id = (char *)"cc";
	req.rootfs = mounts;
	req.n_rootfs = 1;
	ttrpc_client_call(f->client, SERVICE, "CreateSandbox", &req.base, 0, on_answer, &a);
	run_until(f, &a.done);
	assert_fails(a, TTRPC_UNIMPLEMENTED,
		     "sandbox cc: it has no use for a root file system of its own");
	assert_ok(create(f));
	assert_fails(say(f, "CreateSandbox"), TTRPC_ALREADY_EXISTS, "sandbox cc already exists");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lives_without_a_container, setup, teardown),
		cmocka_unit_test_setup_teardown(is_joined_once_it_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_of_its_machines_death, setup, teardown),
		cmocka_unit_test_setup_teardown(survives_a_start_that_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_up_a_start, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_while_it_starts, setup, teardown),
		cmocka_unit_test_setup_teardown(waits_for_containerd_while_it_runs, setup_impatient,
						teardown),
		cmocka_unit_test_setup_teardown(refuses_what_it_cannot_be, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
