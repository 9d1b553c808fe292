/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way to a containerd that comes and goes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "fixture.h"
#include "host/shim/events.h"
#include "proto/containerd_events.pb-c.h"
#include "proto/containerd_forward.pb-c.h"

#define LIMIT_MS 5000

/* A containerd: writes down what it gets, as "ns:/tasks/start:cc ". */
static struct {
	struct loop *loop;
	char dir[32];
	char *path;
	struct ttrpc_server *server;
	struct str got;
	unsigned n, refuse, ignore;
	struct ttrpc_call *ignored[8];
} daemon_;

static const char *id_of(const Google__Protobuf__Any *any)
{
	static char id[128];
	/* The container's ID is field 1 of all of them. */
	Containerd__Events__TaskOOM *e =
		containerd__events__task_oom__unpack(NULL, any->value.len, any->value.data);

	assert_non_null(e);
	assert_int_equal(strncmp(any->type_url, "containerd.events.Task", 22), 0);
	snprintf(id, sizeof(id), "%s", e->container_id);
	containerd__events__task_oom__free_unpacked(e, NULL);
	return id;
}

static void on_forward(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Containerd__Services__Events__Ttrpc__V1__ForwardRequest *req =
		(const Containerd__Services__Events__Ttrpc__V1__ForwardRequest *)msg;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	(void)ctx;
	assert_true(req->envelope->timestamp->seconds > 0);
	if (daemon_.refuse > 0) {
		daemon_.refuse--;
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "not wanted");
		return;
	}
	if (daemon_.ignore > 0) {
		daemon_.ignored[--daemon_.ignore] = call;
		return;
	}
	str_printf(&daemon_.got, "%s:%s:%s ", req->envelope->namespace_, req->envelope->topic,
		   id_of(req->envelope->event));
	daemon_.n++;
	ttrpc_reply(call, &empty.base);
}

static void daemon_up(struct loop *loop)
{
	static const struct ttrpc_method methods[] = { { "Forward", on_forward }, { 0 } };
	struct err err = ERR_INIT;
	int fd = unix_listen(daemon_.path, 4, &err);

	assert_true(fd >= 0);
	daemon_.server = ttrpc_server_new(loop);
	ttrpc_server_add(daemon_.server,
			 &containerd__services__events__ttrpc__v1__events__descriptor, methods,
			 NULL);
	assert_int_equal(ttrpc_server_listen(daemon_.server, fd), 0);
}

static void daemon_down(void)
{
	ttrpc_server_free(take_ptr(daemon_.server));
	unlink(daemon_.path);
}

static int begin(void **state)
{
	(void)state;
	memset(&daemon_, 0, sizeof(daemon_));
	snprintf(daemon_.dir, sizeof(daemon_.dir), "/tmp/test-events-XXXXXX");
	assert_non_null(mkdtemp(daemon_.dir));
	daemon_.path = path_join(daemon_.dir, "ttrpc.sock");
	daemon_.loop = loop_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	ttrpc_server_free(daemon_.server);
	loop_free(daemon_.loop);
	str_free(&daemon_.got);
	assert_int_equal(tree_remove(daemon_.dir, NULL), 0);
	free(daemon_.path);
	return 0;
}

static struct events *patient_events(int64_t send_ms)
{
	return events_new(daemon_.loop,
			  &(const struct events_options){ .namespace = "k8s",
							  .ttrpc_address = daemon_.path,
							  .send_ms = send_ms,
							  .retry_ms = 5 });
}

static struct events *new_events(void)
{
	return patient_events(50);
}

static void publish(struct events *e, const char *id)
{
	Containerd__Events__TaskOOM oom = CONTAINERD__EVENTS__TASK_OOM__INIT;

	oom.container_id = (char *)(uintptr_t)id;
	events_publish(e, "/tasks/oom", &oom.base);
}

static void on_flushed(void *arg)
{
	*(bool *)arg = true;
}

/* True when all were delivered. */
static bool flush(struct events *e, int64_t ms)
{
	int64_t limit = loop_now_ms() + LIMIT_MS;
	bool flushed = false;

	events_flush(e, ms, on_flushed, &flushed);
	assert_false(flushed);
	while (!flushed) {
		assert_true(loop_now_ms() < limit);
		loop_step(daemon_.loop, 20);
	}
	return true;
}

static void are_delivered_in_order(void **state)
{
	struct events *e = new_events();

	(void)state;
	daemon_up(daemon_.loop);
	publish(e, "a");
	publish(e, "b");
	publish(e, "c");
	flush(e, LIMIT_MS);
	assert_string_equal(str_text(&daemon_.got),
			    "k8s:/tasks/oom:a k8s:/tasks/oom:b k8s:/tasks/oom:c ");
	events_free(e);
}

static void wait_for_a_daemon_that_comes_back(void **state)
{
	struct events *e = new_events();

	(void)state;
	publish(e, "a");
	for (int i = 0; i < 4; i++)
		loop_step(daemon_.loop, 10);
	daemon_up(daemon_.loop);
	flush(e, LIMIT_MS);
	daemon_down();
	publish(e, "b");
	publish(e, "c");
	for (int i = 0; i < 4; i++)
		loop_step(daemon_.loop, 10);
	daemon_up(daemon_.loop);
	flush(e, LIMIT_MS);
	assert_string_equal(str_text(&daemon_.got),
			    "k8s:/tasks/oom:a k8s:/tasks/oom:b k8s:/tasks/oom:c ");
	events_free(e);
}

static void one_that_is_refused_does_not_hold_the_others(void **state)
{
	struct events *e = new_events();

	(void)state;
	daemon_up(daemon_.loop);
	daemon_.refuse = 1;
	publish(e, "a");
	publish(e, "b");
	flush(e, LIMIT_MS);
	assert_string_equal(str_text(&daemon_.got), "k8s:/tasks/oom:b ");
	events_free(e);
}

static void one_that_is_not_answered_is_tried_again(void **state)
{
	struct events *e = new_events();

	(void)state;
	daemon_up(daemon_.loop);
	daemon_.ignore = 2;
	publish(e, "a");
	publish(e, "b");
	flush(e, LIMIT_MS);
	assert_string_equal(str_text(&daemon_.got), "k8s:/tasks/oom:a k8s:/tasks/oom:b ");
	events_free(e);
	for (size_t i = 0; i < 2; i++)
		ttrpc_fail(daemon_.ignored[i], TTRPC_UNKNOWN, "late");
}

static void the_queue_and_the_wait_have_limits(void **state)
{
	/* An answer may take its time here: what is tried again is told twice. */
	struct events *e = patient_events(LIMIT_MS);
	int64_t begun = loop_now_ms();

	(void)state;
	for (int i = 0; i < EVENTS_MAX + 10; i++) {
		char id[8];

		snprintf(id, sizeof(id), "%d", i);
		publish(e, id);
	}
	flush(e, 30); /* nobody is there */
	assert_true(loop_now_ms() - begun < LIMIT_MS);
	daemon_up(daemon_.loop);
	flush(e, LIMIT_MS);
	assert_int_equal(daemon_.n, EVENTS_MAX);
	assert_non_null(strstr(str_text(&daemon_.got), "k8s:/tasks/oom:10 "));
	assert_null(strstr(str_text(&daemon_.got), "oom:9 "));
	events_free(e);
}

static void by_the_publish_binary(void **state)
{
	auto_free char *binary = path_join(daemon_.dir, "ctd"),
		       *out = path_join(daemon_.dir, "out");
	auto_free char *once = path_join(daemon_.dir, "once");
	auto_free char *script = xasprintf("#!/bin/sh\n[ -e %s ] || { : >%s; exit 1; }\n"
					   "echo \"$@\" >>%s\ncat >>%s\necho >>%s\n",
					   once, once, out, out, out);
	auto_str struct str text = STR_INIT;
	struct events *e = events_new(
		daemon_.loop,
		&(const struct events_options){
			.namespace = "ns", .binary = binary, .address = "/x.sock", .retry_ms = 5 });

	(void)state;
	assert_int_equal(file_replace(binary, script, strlen(script), 0755, NULL), 0);
	publish(e, "a"); /* the first attempt fails */
	publish(e, "b");
	flush(e, LIMIT_MS);
	assert_int_equal(file_read(out, 4096, &text, NULL), 0);
	assert_string_equal(str_text(&text),
			    "--address /x.sock publish --topic /tasks/oom --namespace ns\n"
			    "\n\x19"
			    "containerd.events.TaskOOM\x12\x03\n\x01"
			    "a\n"
			    "--address /x.sock publish --topic /tasks/oom --namespace ns\n"
			    "\n\x19"
			    "containerd.events.TaskOOM\x12\x03\n\x01"
			    "b\n");
	events_free(e);
}

static void a_binary_that_hangs_is_killed(void **state)
{
	auto_free char *binary = path_join(daemon_.dir, "ctd");
	static const char script[] = "#!/bin/sh\nexec sleep 1000\n";
	struct events *e =
		events_new(daemon_.loop, &(const struct events_options){ .namespace = "ns",
									 .binary = binary,
									 .address = "",
									 .send_ms = 20,
									 .retry_ms = 1 });

	(void)state;
	assert_int_equal(file_replace(binary, script, strlen(script), 0755, NULL), 0);
	publish(e, "a");
	flush(e, LIMIT_MS); /* five attempts, then it is dropped */
	publish(e, "b");
	loop_step(daemon_.loop, 10);
	events_free(e); /* while one hangs */
}

/* ---- the whole life of a task ------------------------------------------------------- */

static int begin_with_shim(void **state)
{
	struct fixture *f;
	struct events *old;

	begin(state);
	setup(state);
	f = *state;
	loop_free(daemon_.loop);
	daemon_.loop = f->loop;
	daemon_up(f->loop);
	old = f->shim->events;
	f->shim->events = new_events();
	events_free(old);
	return 0;
}

static int end_with_shim(void **state)
{
	/* The daemon is the last to go: the end waits for it. */
	struct fixture *f = *state;

	shim_end(f->shim, "the test is over");
	run_until(f, &f->shim->over);
	ttrpc_server_free(take_ptr(daemon_.server));
	teardown(state);
	daemon_.loop = NULL;
	return end(state);
}

static void expect(const char *topics)
{
	auto_str struct str expected = STR_INIT;
	auto_free char *copy = xstrdup(topics);
	char *save = NULL;

	for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save))
		str_printf(&expected, "k8s:/tasks/%s:cc ", t);
	assert_string_equal(str_text(&daemon_.got), str_text(&expected));
}

static void run_until_told(struct fixture *f, unsigned n)
{
	int64_t limit = loop_now_ms() + LIMIT_MS;

	while (daemon_.n < n) {
		assert_true(loop_now_ms() < limit);
		loop_step(f->loop, 20);
	}
}

static void tell_of_a_whole_life(void **state)
{
	struct fixture *f = *state;

	assert_ok(create(f));
	assert_ok(get(f, "Start", ""));
	assert_ok(exec(f, "ee"));
	assert_ok(get(f, "Start", "ee"));
	fake_exits("ee", 1);
	assert_ok(get(f, "Wait", "ee"));
	assert_ok(get(f, "Delete", "ee"));
	assert_ok(get(f, "Pause", ""));
	assert_ok(get(f, "Resume", ""));
	fake_ooms("cc");
	fake_exits("", 137);
	assert_ok(get(f, "Wait", ""));
	assert_ok(get(f, "Delete", ""));
	assert_ok(get(f, "Shutdown", ""));
	run_until(f, &f->shim->over);
	expect("create start exec-added exec-started exit paused resumed oom exit delete");
}

static void tell_of_a_machine_that_dies(void **state)
{
	struct fixture *f = *state;

	assert_ok(create(f));
	assert_ok(get(f, "Start", ""));
	assert_ok(exec(f, "ee")); /* never started: no end of it */
	fake_dies("boom");
	assert_ok(get(f, "Wait", ""));
	assert_ok(get(f, "Delete", ""));
	assert_ok(get(f, "Shutdown", ""));
	run_until(f, &f->shim->over);
	expect("create start exec-added exit delete");
}

static void tell_nothing_of_what_fails(void **state)
{
	struct fixture *f = *state;

	fake.fail[FAKE_CREATE] = EIO;
	assert_int_equal(create(f).code, -EIO);
	fake.fail[FAKE_CREATE] = 0;
	assert_ok(create(f));
	fake.fail[FAKE_START] = EIO;
	assert_int_equal(get(f, "Start", "").code, -EIO);
	assert_ok(get(f, "Delete", ""));
	assert_ok(get(f, "Shutdown", ""));
	run_until(f, &f->shim->over);
	expect("create delete");
}

/* One that is started anew asks for the end first, and takes events when it is answered. */
static void wait_for_a_daemon_that_waits_for_the_end(void **state)
{
	struct fixture *f = *state;
	int64_t begun;

	assert_ok(create(f));
	assert_ok(get(f, "Start", ""));
	fake_exits("", 0);
	assert_ok(get(f, "Wait", ""));
	run_until_told(f, 3);
	daemon_down();
	assert_ok(get(f, "Delete", ""));
	begun = loop_now_ms();
	assert_ok(get(f, "Shutdown", ""));
	assert_true(loop_now_ms() - begun < SHIM_EVENTS_LIMIT_MS);
	assert_false(f->shim->over);
	daemon_up(f->loop);
	run_until(f, &f->shim->over);
	expect("create start exit delete");
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define S(f) cmocka_unit_test_setup_teardown(f, begin_with_shim, end_with_shim)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(are_delivered_in_order),
		T(wait_for_a_daemon_that_comes_back),
		T(one_that_is_refused_does_not_hold_the_others),
		T(one_that_is_not_answered_is_tried_again),
		T(the_queue_and_the_wait_have_limits),
		T(by_the_publish_binary),
		T(a_binary_that_hangs_is_killed),
		S(tell_of_a_whole_life),
		S(tell_of_a_machine_that_dies),
		S(tell_nothing_of_what_fails),
		S(wait_for_a_daemon_that_waits_for_the_end),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
