/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a Task service on the same loop. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "host/cli/task_client.h"
#include "proto/task.pb-c.h"
#include "ttrpc/ttrpc.h"

struct shim {
	char dir[32];
	char *address;
	struct loop *loop;
	struct ttrpc_server *server;
	struct ttrpc_call *waiting;
	struct str log; /* one character for each call that was sent off */
	int stop;
};

static void on_create(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	const Containerd__Task__V2__CreateTaskRequest *create =
		(const Containerd__Task__V2__CreateTaskRequest *)req;
	Containerd__Task__V2__CreateTaskResponse rsp =
		CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;
	int fd = ttrpc_call_take_fd(call, 1);

	(void)ctx;
	if (strcmp(create->stdin, "fd:0") || strcmp(create->stderr, "fd:2") ||
	    strcmp(create->bundle, "/b") || !create->terminal || ttrpc_call_fds(call) != 4 ||
	    strcmp(ttrpc_call_metadata(call, "kata-standin"), "3 99")) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "no");
	} else {
		rsp.pid = 99;
		assert_int_equal(fd_write_full(fd, create->id, strlen(create->id)), 0);
		ttrpc_reply(call, &rsp.base);
	}
	close(fd);
}

static void on_start(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	(void)req;
	(void)ctx;
	ttrpc_fail(call, TTRPC_NOT_FOUND, "exec: \"x\": executable file not found in $PATH");
}

static void on_wait(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	struct shim *s = ctx;

	(void)req;
	s->waiting = call;
}

static void on_kill(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	const Containerd__Task__V2__KillRequest *kill =
		(const Containerd__Task__V2__KillRequest *)req;
	Containerd__Task__V2__WaitResponse end = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	Google__Protobuf__Empty rsp = GOOGLE__PROTOBUF__EMPTY__INIT;
	struct shim *s = ctx;

	str_putc(&s->log, 'k');
	end.exit_status = 128 + kill->signal;
	ttrpc_reply(call, &rsp.base);
	if (!s->waiting)
		return;
	ttrpc_reply(s->waiting, &end.base);
	s->waiting = NULL;
}

static void on_resize(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	const Containerd__Task__V2__ResizePtyRequest *resize =
		(const Containerd__Task__V2__ResizePtyRequest *)req;
	struct shim *s = ctx;

	str_putc(&s->log, resize->width == 80 && resize->height == 24 ? 'r' : '?');
	ttrpc_fail(call, TTRPC_INTERNAL, "nobody hears this");
}

static void on_state(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	Containerd__Task__V2__StateResponse rsp = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;

	(void)req;
	(void)ctx;
	rsp.status = CONTAINERD__V1__TYPES__STATUS__PAUSED;
	rsp.pid = 77;
	ttrpc_reply(call, &rsp.base);
}

static const struct ttrpc_method methods[] = {
	{ "Create", on_create },
	{ "Start", on_start },
	{ "Wait", on_wait },
	{ "Kill", on_kill },
	{ "ResizePty", on_resize },
	{ "State", on_state },
	{ 0 },
};

static int setup(void **state)
{
	struct shim *s = xcalloc(1, sizeof(*s));
	auto_free char *path = NULL;
	struct err err = ERR_INIT;
	int fd;

	memcpy(s->dir, "/tmp/cli-test-XXXXXX", 21);
	assert_non_null(mkdtemp(s->dir));
	path = path_join(s->dir, "socket");
	s->address = xasprintf("unix://%s", path);
	s->loop = loop_new();
	s->server = ttrpc_server_new(s->loop);
	ttrpc_server_add(s->server, &containerd__task__v2__task__descriptor, methods, s);
	fd = unix_listen(path, 4, &err);
	assert_true(fd >= 0);
	assert_int_equal(ttrpc_server_listen(s->server, fd), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct shim *s = *state;
	struct err err = ERR_INIT;

	if (s->waiting)
		ttrpc_fail(s->waiting, TTRPC_CANCELLED, "the end");
	if (s->server)
		ttrpc_server_free(s->server);
	loop_free(s->loop);
	str_free(&s->log);
	free(s->address);
	assert_int_equal(tree_remove(s->dir, &err), 0);
	free(s);
	return 0;
}

static void passes_descriptors(void **state)
{
	struct shim *s = *state;
	struct err err = ERR_INIT;
	auto_task struct task *t = task_connect(s->loop, s->address, "box", &err);
	struct standin standin = { .pid = 99, .pidfd = -1, .control = -1 };
	char buf[8] = "";
	pid_t pid = 0;
	int p[2];

	assert_int_equal(pipe(p), 0);
	standin.shim = p[0];
	assert_int_equal(
		task_create(t, "/b", true, (const int[]){ 0, p[1], 2 }, &standin, 5000, &pid, &err),
		0);
	assert_int_equal(pid, 99);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 3);
	assert_string_equal(buf, "box");
	close(p[0]);
	close(p[1]);
}

static void tells_the_shims_own_errors(void **state)
{
	struct shim *s = *state;
	struct err err = ERR_INIT;
	auto_task struct task *t = task_connect(s->loop, s->address, "box", &err);
	pid_t pid;

	assert_int_equal(task_start(t, &pid, 5000, &err), -ENOENT);
	assert_string_equal(err.msg, "exec: \"x\": executable file not found in $PATH");
	assert_int_equal(task_delete(t, 5000, &err), -ENOSYS);
}

static void knows_the_state(void **state)
{
	struct shim *s = *state;
	struct err err = ERR_INIT;
	auto_task struct task *t = task_connect(s->loop, s->address, "box", &err);
	const char *status = NULL;
	pid_t pid = 0;

	assert_int_equal(task_state(t, &status, &pid, 5000, &err), 0);
	assert_string_equal(status, "paused");
	assert_int_equal(pid, 77);
}

static void signal_15(void *arg)
{
	task_send_kill(arg, 15);
}

static void waits_while_it_sends(void **state)
{
	struct shim *s = *state;
	struct err err = ERR_INIT;
	auto_task struct task *t = task_connect(s->loop, s->address, "box", &err);
	int status = 0;

	task_send_resize(t, 80, 24);
	loop_add_timer(s->loop, 20, signal_15, t);
	assert_int_equal(task_wait(t, &status, 0, &err), 0);
	assert_int_equal(status, 143);
	assert_string_equal(str_text(&s->log), "rk");
}

static void set_stop(void *arg)
{
	*(int *)arg = 2;
}

static void gives_up_when_told(void **state)
{
	struct shim *s = *state;
	struct err err = ERR_INIT;
	auto_task struct task *t = task_connect(s->loop, s->address, "box", &err);
	int status = 0;

	task_set_stop(t, &s->stop);
	loop_defer(s->loop, set_stop, &s->stop);
	assert_int_equal(task_wait(t, &status, 0, &err), -EINTR);
	/* And at once when it was told before. */
	assert_int_equal(task_wait(t, &status, 0, &err), -EINTR);
	task_set_stop(t, NULL);
	assert_int_equal(task_kill(t, 9, false, 5000, &err), 0);
}

static void end_the_server(void *arg)
{
	struct shim *s = arg;

	ttrpc_server_free(s->server);
	s->server = NULL;
}

static void sees_that_the_shim_died(void **state)
{
	struct shim *s = *state;
	struct err err = ERR_INIT;
	auto_task struct task *t = task_connect(s->loop, s->address, "box", &err);
	int status = 0;

	loop_add_timer(s->loop, 20, end_the_server, s);
	assert_int_equal(task_wait(t, &status, 0, &err), -ECONNRESET);
	assert_true(task_lost(t));
	assert_int_equal(task_shutdown(t, 5000, &err), 0);
}

static void nobody_listens(void **state)
{
	struct shim *s = *state;
	struct err err = ERR_INIT;

	assert_null(task_connect(s->loop, "unix:///nonexistent/socket", "box", &err));
	assert_int_equal(err.code, -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/socket"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(passes_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_the_shims_own_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(knows_the_state, setup, teardown),
		cmocka_unit_test_setup_teardown(waits_while_it_sends, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_up_when_told, setup, teardown),
		cmocka_unit_test_setup_teardown(sees_that_the_shim_died, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_listens, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
