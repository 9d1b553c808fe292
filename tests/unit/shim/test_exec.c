/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that are added with a stand-in: as kata-runtime does, not containerd. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fixture.h"
#include "host/standin/protocol.h"

static int mine = -1; /* the stand-in's end */

static void on_answer(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct result *r = arg;

	(void)rsp;
	r->done = true;
	if (err) {
		r->code = err->code;
		snprintf(r->text, sizeof(r->text), "%s", err_msg(err));
	}
}

static struct result add(struct fixture *f)
{
	static const char process[] = "{\"args\":[\"ls\"],\"cwd\":\"/\"}";
	Containerd__Task__V2__ExecProcessRequest req =
		CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	auto_free char *value = xasprintf("0 %d", (int)getpid());
	struct result r = { 0 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	mine = pair[0];
	any.value.data = (uint8_t *)(uintptr_t)process;
	any.value.len = strlen(process);
	req.id = (char *)"cc";
	req.exec_id = (char *)"ee";
	req.spec = &any;
	ttrpc_client_call_extra(
		f->client, &containerd__task__v2__task__descriptor, "Exec", &req.base,
		&(const struct ttrpc_extra){
			.fds = &pair[1], .n = 1, .key = "kata-standin", .value = value },
		0, on_answer, &r);
	run_until(f, &r.done);
	close(pair[1]);
	return r;
}

static void run_it(struct fixture *f)
{
	assert_ok(create(f));
	assert_ok(get(f, "Start", ""));
	assert_ok(add(f));
}

static void expect_ended(struct fixture *f, int status)
{
	struct standin_record r = { 0 };

	settle(f);
	assert_int_equal(recv(mine, &r, sizeof(r), MSG_DONTWAIT), sizeof(r));
	assert_int_equal(r.kind, STANDIN_ENDED);
	assert_int_equal(r.value, status);
	close_fd(&mine);
	assert_fails(get(f, "State", "ee"), TTRPC_NOT_FOUND,
		     "process ee of container cc not found");
}

static void is_forgotten_at_its_end(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	assert_int_equal(get(f, "State", "ee").pid, getpid());
	assert_ok(get(f, "Start", "ee"));
	fake_exits("ee", 9);
	expect_ended(f, 9);
	/* The name is free again. */
	assert_ok(add(f));
	assert_ok(get(f, "Delete", "ee"));
	close_fd(&mine);
}

static void is_forgotten_when_it_cannot_be_started(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	fake.fail[FAKE_EXEC] = ENOENT;
	assert_fails(get(f, "Start", "ee"), TTRPC_NOT_FOUND, "fake exec fails");
	expect_ended(f, 255);
}

static void a_waiter_hears_of_the_end(void **state)
{
	struct fixture *f = *state;
	struct result w;

	run_it(f);
	ask(f, "Wait", "ee", &w);
	assert_ok(get(f, "Start", "ee"));
	fake_exits("ee", 4);
	run_until(f, &w.done);
	assert_ok(w);
	assert_int_equal(w.status, 4);
	expect_ended(f, 4);
}

static void is_killed_with_its_stand_in(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	assert_ok(get(f, "Start", "ee"));
	close_fd(&mine);
	settle(f);
	assert_non_null(strstr(str_text(&fake.log), "signal:cc/ee/9 "));
	fake_exits("ee", 137);
	settle(f);
	assert_fails(get(f, "State", "ee"), TTRPC_NOT_FOUND,
		     "process ee of container cc not found");
}

static void is_removed_with_it_before_its_start(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	close_fd(&mine);
	settle(f);
	assert_fails(get(f, "State", "ee"), TTRPC_NOT_FOUND,
		     "process ee of container cc not found");
	assert_null(strstr(str_text(&fake.log), "signal"));
}

static void passes_signals_on(void **state)
{
	struct standin_record r = { .kind = STANDIN_SIGNAL, .value = SIGUSR1 };
	struct fixture *f = *state;

	run_it(f);
	assert_ok(get(f, "Start", "ee"));
	assert_int_equal(send(mine, &r, sizeof(r), 0), sizeof(r));
	settle(f);
	assert_non_null(strstr(str_text(&fake.log), "signal:cc/ee/10 "));
	fake_exits("ee", 0);
	expect_ended(f, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(is_forgotten_at_its_end),
		T(is_forgotten_when_it_cannot_be_started),
		T(a_waiter_hears_of_the_end),
		T(is_killed_with_its_stand_in),
		T(is_removed_with_it_before_its_start),
		T(passes_signals_on),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
