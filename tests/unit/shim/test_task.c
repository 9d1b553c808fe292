/* SPDX-License-Identifier: Apache-2.0 */
/* The Task service: what may follow what, and what it answers. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"

#define RUNNING CONTAINERD__V1__TYPES__STATUS__RUNNING
#define CREATED CONTAINERD__V1__TYPES__STATUS__CREATED
#define STOPPED CONTAINERD__V1__TYPES__STATUS__STOPPED
#define UNKNOWN CONTAINERD__V1__TYPES__STATUS__UNKNOWN

static void run_it(struct fixture *f)
{
	assert_ok(create(f));
	assert_ok(get(f, "Start", ""));
}

static void lives_a_whole_life(void **state)
{
	struct fixture *f = *state;
	struct result wait, r;
	auto_free char *tree = path_join(f->bundle, "tree");

	r = get(f, "Connect", "");
	assert_int_equal(r.pid, getpid());
	r = create(f);
	assert_ok(r);
	assert_int_equal(r.pid, 4711);
	assert_string_equal(fake.config_path, f->config);
	assert_string_equal(fake.rootfs, tree);
	assert_int_equal(get(f, "State", "").state, CREATED);
	ask(f, "Wait", "", &wait);
	r = get(f, "Start", "");
	assert_ok(r);
	assert_int_equal(r.pid, 4711);
	r = get(f, "State", "");
	assert_int_equal(r.state, RUNNING);
	assert_false(r.exited_at);
	r = get(f, "Pids", "");
	assert_int_equal(r.n, 1);
	assert_int_equal(r.pid, 4711);
	assert_false(wait.done);
	fake_exits("", 7);
	run_until(f, &wait.done);
	assert_ok(wait);
	assert_int_equal(wait.status, 7);
	assert_true(wait.exited_at);
	r = get(f, "State", "");
	assert_int_equal(r.state, STOPPED);
	assert_int_equal(r.status, 7);
	r = get(f, "Delete", "");
	assert_ok(r);
	assert_int_equal(r.status, 7);
	assert_true(r.exited_at);
	assert_fails(get(f, "State", ""), TTRPC_NOT_FOUND, "container cc not found");
	assert_ok(get(f, "Shutdown", ""));
	run_until(f, &f->shim->over);
	assert_int_equal(f->shim->status, 0);
	assert_string_equal(str_text(&fake.log), "boot create:cc start:cc remove:cc stop destroy ");
	assert_string_equal(str_text(&fake.status), "created running stopped ");
}

static void refuses_what_comes_too_early(void **state)
{
	struct fixture *f = *state;
	struct result creating;

	assert_fails(get(f, "Start", ""), TTRPC_NOT_FOUND, "container cc not found");
	assert_fails(get(f, "Wait", ""), TTRPC_NOT_FOUND, "container cc not found");
	assert_fails(get(f, "Delete", ""), TTRPC_NOT_FOUND, "container cc not found");
	fake.hold[FAKE_BOOT] = true;
	ask_create(f, &creating);
	settle(f);
	/* All but the creation is answered at once. */
	assert_int_equal(get(f, "State", "").state, UNKNOWN);
	assert_fails(create(f), TTRPC_ALREADY_EXISTS, "container cc already exists");
	assert_fails(get(f, "Start", ""), TTRPC_FAILED_PRECONDITION,
		     "container cc cannot be started: it is still being created");
	assert_fails(get(f, "Delete", ""), TTRPC_FAILED_PRECONDITION,
		     "cannot delete container cc: it is still being created");
	assert_fails(kill_it(f, "", SIGKILL), TTRPC_FAILED_PRECONDITION,
		     "container cc is not running");
	assert_false(creating.done);
	fake_release(FAKE_BOOT);
	run_until(f, &creating.done);
	assert_ok(creating);
	/* The specification lets signals come; there is no program yet that handles them. */
	assert_ok(kill_it(f, "", SIGUSR1));
	assert_ok(kill_it(f, "", 0));
	assert_fails(kill_it(f, "", 1000), TTRPC_INVALID_ARGUMENT, "no signal 1000");
	assert_null(strstr(str_text(&fake.log), "signal"));
	assert_int_equal(get(f, "State", "").state, CREATED);
	/* As runc takes one. */
	assert_ok(exec(f, "ee"));
	assert_fails(kill_it(f, "ee", SIGUSR1), TTRPC_FAILED_PRECONDITION,
		     "process ee of container cc is not running");
	assert_ok(get(f, "Start", "ee"));
	assert_int_equal(get(f, "State", "ee").state, RUNNING);
	fake_exits("ee", 3);
	assert_int_equal(get(f, "Wait", "ee").status, 3);
	assert_ok(kill_it(f, "", SIGINT));
	assert_int_equal(get(f, "State", "").state, STOPPED);
	assert_fails(exec(f, "ff"), TTRPC_FAILED_PRECONDITION, "container cc is not running");
}

static void refuses_what_comes_too_late(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	assert_fails(get(f, "Start", ""), TTRPC_FAILED_PRECONDITION,
		     "container cc cannot be started: it was started already");
	assert_fails(get(f, "Delete", ""), TTRPC_FAILED_PRECONDITION,
		     "cannot delete container cc: it is running");
	fake_exits("", 0);
	assert_ok(get(f, "Wait", ""));
	assert_fails(get(f, "Start", ""), TTRPC_FAILED_PRECONDITION,
		     "container cc cannot be started: it was started already");
	assert_fails(exec(f, "ee"), TTRPC_FAILED_PRECONDITION, "container cc is not running");
	/* The kubelet must not fail here. */
	assert_ok(kill_it(f, "", SIGKILL));
	assert_ok(kill_it(f, "", SIGTERM));
	assert_fails(kill_it(f, "", SIGHUP), TTRPC_NOT_FOUND, "container cc has already finished");
	assert_null(strstr(str_text(&fake.log), "signal"));
}

static void answers_every_waiter(void **state)
{
	struct fixture *f = *state;
	struct result w[3];

	run_it(f);
	for (size_t i = 0; i < 3; i++)
		ask(f, "Wait", "", &w[i]);
	settle(f);
	fake_exits("", 3);
	for (size_t i = 0; i < 3; i++) {
		run_until(f, &w[i].done);
		assert_int_equal(w[i].status, 3);
	}
	assert_int_equal(get(f, "Wait", "").status, 3);
}

/* A waiter that goes away is no trouble when the end comes. */
static void forgets_a_waiter_that_left(void **state)
{
	struct fixture *f = *state;
	struct result w;
	bool over = false;

	run_it(f);
	ask(f, "Wait", "", &w);
	settle(f);
	ttrpc_client_free(f->client);
	f->client = NULL;
	settle(f);
	assert_int_equal(ttrpc_server_connections(f->shim->server), 0);
	assert_false(w.done || over);
	fake_exits("", 0);
	settle(f);
}

static void signals_all_or_one(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	assert_ok(exec(f, "ee"));
	assert_ok(get(f, "Start", "ee"));
	assert_ok(kill_it(f, "", SIGINT));
	assert_ok(kill_it(f, "ee", SIGUSR2));
	assert_ok(kill_it(f, "", SIGKILL));
	assert_non_null(
		strstr(str_text(&fake.log), "signal:cc/2/all signal:cc/ee/12 signal:cc/9/all "));
	assert_fails(kill_it(f, "none", SIGKILL), TTRPC_NOT_FOUND,
		     "process none of container cc not found");
	fake.fail[FAKE_SIGNAL] = ETIMEDOUT;
	assert_fails(kill_it(f, "", SIGHUP), TTRPC_DEADLINE_EXCEEDED, "fake signal fails");
	fake_exits("ee", 0);
	fake_exits("", 0);
	assert_ok(get(f, "Wait", ""));
}

/* What CRI does when Start failed: kill, wait, delete. */
static void kills_what_was_never_started(void **state)
{
	struct fixture *f = *state;
	struct result wait, r;

	assert_ok(create(f));
	fake.fail[FAKE_START] = ENOENT;
	assert_fails(get(f, "Start", ""), TTRPC_NOT_FOUND, "fake start fails");
	assert_int_equal(get(f, "State", "").state, CREATED);
	ask(f, "Wait", "", &wait);
	assert_ok(kill_it(f, "", SIGKILL));
	run_until(f, &wait.done);
	assert_int_equal(wait.status, 137);
	r = get(f, "Delete", "");
	assert_ok(r);
	assert_int_equal(r.status, 137);
}

static void deletes_what_was_never_started(void **state)
{
	struct fixture *f = *state;
	struct result wait, r;

	assert_ok(create(f));
	ask(f, "Wait", "", &wait);
	settle(f);
	fake.fail[FAKE_REMOVE] = EIO;
	assert_fails(get(f, "Delete", ""), TTRPC_UNKNOWN, "fake remove fails");
	fake.fail[FAKE_REMOVE] = 0;
	r = get(f, "Delete", "");
	assert_ok(r);
	assert_int_equal(r.status, 137);
	run_until(f, &wait.done);
	assert_fails(wait, TTRPC_NOT_FOUND, "container cc was deleted");
}

/* `run` and `delete --force` both do when the container is killed. */
static void deletes_once(void **state)
{
	struct fixture *f = *state;
	struct result first;

	assert_ok(create(f));
	fake.hold[FAKE_REMOVE] = true;
	ask(f, "Delete", "", &first);
	settle(f);
	assert_fails(get(f, "Delete", ""), TTRPC_NOT_FOUND, "container cc is being deleted");
	assert_fails(get(f, "Start", ""), TTRPC_FAILED_PRECONDITION,
		     "container cc cannot be started: it is being deleted");
	fake_release(FAKE_REMOVE);
	run_until(f, &first.done);
	assert_ok(first);
}

static void adds_processes(void **state)
{
	struct fixture *f = *state;
	struct result r;

	run_it(f);
	assert_fails(exec(f, ""), TTRPC_INVALID_ARGUMENT, "invalid process ID \"\"");
	assert_fails(exec(f, "a/b"), TTRPC_INVALID_ARGUMENT, "invalid process ID \"a/b\"");
	assert_ok(exec(f, "ee"));
	assert_fails(exec(f, "ee"), TTRPC_ALREADY_EXISTS,
		     "process ee of container cc already exists");
	assert_int_equal(get(f, "State", "ee").state, CREATED);
	assert_ok(get(f, "CloseIO", "ee")); /* before its start */
	assert_ok(get(f, "Start", "ee"));
	assert_int_equal(get(f, "State", "ee").state, RUNNING);
	assert_fails(get(f, "Delete", "ee"), TTRPC_FAILED_PRECONDITION,
		     "cannot delete process ee of container cc: it is running");
	fake_exits("ee", 5);
	r = get(f, "Wait", "ee");
	assert_int_equal(r.status, 5);
	assert_int_equal(get(f, "State", "").state, RUNNING);
	assert_int_equal(get(f, "Delete", "ee").status, 5);
	assert_fails(get(f, "State", "ee"), TTRPC_NOT_FOUND,
		     "process ee of container cc not found");
	/* Its name is free again. */
	assert_ok(exec(f, "ee"));
	assert_ok(kill_it(f, "ee", SIGKILL));
	assert_int_equal(get(f, "Wait", "ee").status, 137);
	assert_string_equal(str_text(&fake.status), "created running ");
}

static void tells_when_an_added_process_fails(void **state)
{
	Containerd__Task__V2__ExecProcessRequest req =
		CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct fixture *f = *state;
	struct result r;

	run_it(f);
	req.id = (char *)"cc";
	req.exec_id = (char *)"ee";
	ask_msg(f, "Exec", &req.base, NULL, 0, &r);
	run_until(f, &r.done);
	assert_fails(r, TTRPC_INVALID_ARGUMENT,
		     "process ee of container cc: the request has no process");
	any.value.data = (uint8_t *)"{\"args\":[]}";
	any.value.len = 11;
	req.spec = &any;
	ask_msg(f, "Exec", &req.base, NULL, 0, &r);
	run_until(f, &r.done);
	assert_fails(r, TTRPC_INVALID_ARGUMENT, "process.args: must not be empty");
	assert_ok(exec(f, "ee"));
	fake.fail[FAKE_EXEC] = ENOENT;
	assert_fails(get(f, "Start", "ee"), TTRPC_NOT_FOUND, "fake exec fails");
	assert_int_equal(get(f, "Wait", "ee").status, 255);
	assert_ok(get(f, "Delete", "ee"));
}

static void keeps_a_terminals_size_for_the_start(void **state)
{
	Containerd__Task__V2__CreateTaskRequest create_req =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	Containerd__Task__V2__ResizePtyRequest req = CONTAINERD__TASK__V2__RESIZE_PTY_REQUEST__INIT;
	struct fixture *f = *state;
	struct result r;

	create_req.id = req.id = (char *)"cc";
	create_req.bundle = f->bundle;
	create_req.terminal = true;
	ask_msg(f, "Create", &create_req.base, NULL, 0, &r);
	run_until(f, &r.done);
	assert_ok(r);
	assert_true(fake.terminal);
	req.width = 80;
	req.height = 24;
	ask_msg(f, "ResizePty", &req.base, NULL, 0, &r);
	run_until(f, &r.done);
	assert_ok(r);
	assert_null(strstr(str_text(&fake.log), "resize"));
	assert_ok(get(f, "Start", ""));
	req.width = 100;
	ask_msg(f, "ResizePty", &req.base, NULL, 0, &r);
	run_until(f, &r.done);
	assert_ok(r);
	assert_non_null(strstr(str_text(&fake.log), "start:cc resize:cc/80x24 resize:cc/100x24 "));
}

static void has_no_size_without_a_terminal(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	assert_ok(get(f, "ResizePty", ""));
	assert_null(strstr(str_text(&fake.log), "resize"));
}

/* ---- the order of ends ----------------------------------------------------------------- */

static void ends_after_its_other_processes(void **state)
{
	struct fixture *f = *state;
	struct result init, other;

	run_it(f);
	assert_ok(exec(f, "ee"));
	assert_ok(get(f, "Start", "ee"));
	ask(f, "Wait", "", &init);
	ask(f, "Wait", "ee", &other);
	settle(f);
	fake_exits("", 0);
	settle(f);
	assert_false(init.done);
	assert_int_equal(get(f, "State", "").state, RUNNING);
	assert_fails(exec(f, "ff"), TTRPC_FAILED_PRECONDITION, "container cc is not running");
	fake_exits("ee", 137);
	run_until(f, &init.done);
	assert_true(other.done);
	assert_int_equal(init.status, 0);
}

/* One in a pid namespace that the pod shares goes on. */
static void does_not_wait_for_ever(void **state)
{
	struct fixture *f = *state;
	struct result init;

	run_it(f);
	assert_ok(exec(f, "ee"));
	assert_ok(get(f, "Start", "ee"));
	ask(f, "Wait", "", &init);
	settle(f);
	fake_exits("", 4);
	run_until(f, &init.done);
	assert_int_equal(init.status, 4);
	assert_int_equal(get(f, "State", "ee").state, RUNNING);
	fake_exits("ee", 0);
	assert_ok(get(f, "Wait", "ee"));
}

/* Who is deleted by force meanwhile is waited for by nobody. */
static void is_shut_down_while_it_waits(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	assert_ok(exec(f, "ee"));
	assert_ok(get(f, "Start", "ee"));
	fake_exits("", 4);
	settle(f);
	shim_end(f->shim, "the test says so");
	run_until(f, &f->shim->over);
}

/* ---- the shim's end ------------------------------------------------------------------ */

static void stays_while_there_are_tasks(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	assert_ok(get(f, "Shutdown", ""));
	settle(f);
	assert_false(f->shim->ending);
	assert_int_equal(get(f, "State", "").state, RUNNING);
}

static void ends_at_once_when_told_so(void **state)
{
	Containerd__Task__V2__ShutdownRequest req = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	struct fixture *f = *state;
	struct result r, wait;

	run_it(f);
	ask(f, "Wait", "", &wait);
	fake.hold[FAKE_STOP] = true;
	req.id = (char *)"cc";
	req.now = true;
	ask_msg(f, "Shutdown", &req.base, NULL, 0, &r);
	run_until(f, &wait.done);
	assert_int_equal(wait.status, 137);
	assert_fails(get(f, "State", ""), TTRPC_UNAVAILABLE, "the shim is shutting down");
	assert_fails(create(f), TTRPC_UNAVAILABLE, "the shim is shutting down");
	assert_false(r.done);
	fake_release(FAKE_STOP);
	run_until(f, &r.done);
	assert_ok(r);
	run_until(f, &f->shim->over);
	assert_int_equal(fake.stops, 1);
}

static void tells_what_could_not_be_undone(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	fake_exits("", 0);
	assert_ok(get(f, "Wait", ""));
	assert_ok(get(f, "Delete", ""));
	fake.fail[FAKE_STOP] = EBUSY;
	assert_fails(get(f, "Shutdown", ""), TTRPC_FAILED_PRECONDITION, "fake stop fails");
	run_until(f, &f->shim->over);
	assert_int_equal(f->shim->status, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lives_a_whole_life),
		TEST(refuses_what_comes_too_early),
		TEST(refuses_what_comes_too_late),
		TEST(answers_every_waiter),
		TEST(forgets_a_waiter_that_left),
		TEST(signals_all_or_one),
		TEST(kills_what_was_never_started),
		TEST(deletes_what_was_never_started),
		TEST(deletes_once),
		TEST(adds_processes),
		TEST(tells_when_an_added_process_fails),
		TEST(keeps_a_terminals_size_for_the_start),
		TEST(has_no_size_without_a_terminal),
		TEST(ends_after_its_other_processes),
		TEST(does_not_wait_for_ever),
		TEST(is_shut_down_while_it_waits),
		TEST(stays_while_there_are_tasks),
		TEST(ends_at_once_when_told_so),
		TEST(tells_what_could_not_be_undone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
