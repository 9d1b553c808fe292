/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/str.h"
#include "host/standin/protocol.h"
#include "proto/task.pb-c.h"
#include "ttrpc/ttrpc.h"

static struct loop *loop;
static struct ttrpc_call *waiting;
static int container_stdin = -1;
static uint32_t width, height;

/* Whether FAKE_SHIM says that @what happens now. */
static bool happens(const char *what)
{
	const char *all = getenv("FAKE_SHIM");

	return all && strcmp(all, what) == 0;
}

static void signal_runner(int signo)
{
	kill((pid_t)atoi(getenv("FAKE_RUNNER")), signo);
}

static void reply_empty(struct ttrpc_call *call)
{
	Google__Protobuf__Empty rsp = GOOGLE__PROTOBUF__EMPTY__INIT;

	ttrpc_reply(call, &rsp.base);
}

static void end_of_container(int status)
{
	Containerd__Task__V2__WaitResponse rsp = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;

	rsp.exit_status = (uint32_t)status;
	ttrpc_reply(waiting, &rsp.base);
	waiting = NULL;
}

static void on_connect(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	Containerd__Task__V2__ConnectResponse rsp = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;

	(void)req;
	(void)ctx;
	rsp.shim_pid = (uint32_t)getpid();
	ttrpc_reply(call, &rsp.base);
}

static void on_create(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	Containerd__Task__V2__CreateTaskResponse rsp =
		CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;

	(void)req;
	(void)ctx;
	container_stdin = ttrpc_call_take_fd(call, 0);
	if (happens("create-fails"))
		ttrpc_fail(call, TTRPC_NOT_FOUND, "/x/vmlinux: No such file or directory");
	else if (happens("create-interrupted"))
		signal_runner(SIGINT); /* and no answer */
	else
		ttrpc_reply(call, &rsp.base);
}

static void on_start(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	Containerd__Task__V2__StartResponse rsp = CONTAINERD__TASK__V2__START_RESPONSE__INIT;

	(void)req;
	(void)ctx;
	rsp.pid = 4711;
	if (happens("not-found"))
		ttrpc_fail(call, TTRPC_NOT_FOUND,
			   "exec: \"x\": executable file not found in $PATH");
	else if (happens("not-executable"))
		ttrpc_fail(call, TTRPC_PERMISSION_DENIED, "exec: \"x\": permission denied");
	else
		ttrpc_reply(call, &rsp.base);
}

/* 8 when the container's terminal is as it should be. */
static int judge_terminal(void)
{
	struct termios mode;

	if (tcgetattr(container_stdin, &mode) < 0)
		return 1;
	if (mode.c_lflag & (ICANON | ECHO | ISIG))
		return 2;
	return width == 97 && height == 31 ? 8 : 3;
}

static void on_resize(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	const Containerd__Task__V2__ResizePtyRequest *resize =
		(const Containerd__Task__V2__ResizePtyRequest *)req;

	(void)ctx;
	width = resize->width;
	height = resize->height;
	reply_empty(call);
}

static void on_wait(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	(void)req;
	(void)ctx;
	waiting = call;
	if (happens("dies"))
		_exit(1);
	if (happens("signal"))
		signal_runner(SIGUSR1); /* comes back as Kill */
	else if (happens("terminal"))
		end_of_container(judge_terminal());
	else
		end_of_container(7);
}

static void on_kill(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	int signo = (int)((const Containerd__Task__V2__KillRequest *)req)->signal;

	(void)ctx;
	reply_empty(call);
	end_of_container(128 + signo);
}

static void on_delete(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	Containerd__Task__V2__DeleteResponse rsp = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;

	(void)req;
	(void)ctx;
	if (happens("machine-ended"))
		ttrpc_fail(call, TTRPC_INTERNAL, "the machine has ended");
	else if (happens("deleted-before"))
		ttrpc_fail(call, TTRPC_NOT_FOUND, "no such container");
	else
		ttrpc_reply(call, &rsp.base);
}

static void end(void *arg)
{
	loop_stop(arg, 0);
}

static void on_shutdown(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	(void)req;
	(void)ctx;
	reply_empty(call);
	loop_add_timer(loop, 10, end, loop);
}

static const struct ttrpc_method methods[] = {
	{ "Connect", on_connect },   { "Create", on_create },	 { "Start", on_start },
	{ "Wait", on_wait },	     { "Kill", on_kill },	 { "Delete", on_delete },
	{ "Shutdown", on_shutdown }, { "ResizePty", on_resize }, { 0 },
};

static void on_owner(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	(void)src;
	(void)fd;
	(void)events;
	_exit(*(int *)arg);
}

static int serve(int listener, int owner)
{
	int status = 0, null = open("/dev/null", O_RDWR);
	struct ttrpc_server *server;

	/* As a shim does: whoever reads the address sees the end of it. */
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	loop = loop_new();
	server = ttrpc_server_new(loop);
	ttrpc_server_add(server, &containerd__task__v2__task__descriptor, methods, NULL);
	if (ttrpc_server_listen(server, listener) < 0)
		return 1;
	loop_add_fd(loop, owner, 0, on_owner, &status); /* EPOLLHUP always counts */
	status = loop_run(loop);
	ttrpc_server_free(server);
	loop_free(loop);
	return status;
}

int fake_shim(int argc, char **argv)
{
	struct err err = ERR_INIT;
	const char *root = NULL;
	auto_free char *path = NULL;
	int owner = -1, listener;

	for (int i = 0; i + 1 < argc; i++) {
		if (strcmp(argv[i], "-owner-fd") == 0)
			owner = atoi(argv[i + 1]);
		if (strcmp(argv[i], "-root") == 0)
			root = argv[i + 1];
	}
	if (happens("start-fails")) {
		fputs("there is no room\n", stderr);
		return 1;
	}
	path = path_join(root ? root : ".", "socket");
	unlink(path);
	listener = unix_listen(path, 4, &err);
	if (listener < 0 || owner < 0) {
		fprintf(stderr, "fake shim: %s\n", err_msg(&err));
		return 1;
	}
	if (fork() == 0)
		return serve(listener, owner);
	printf("unix://%s\n", path);
	return 0;
}

int fake_standin(int argc, char **argv)
{
	struct standin_record r = { .kind = STANDIN_READY };
	int control = -1;
	pid_t pid;

	for (int i = 0; i + 1 < argc; i++)
		if (strcmp(argv[i], "--control") == 0)
			control = atoi(argv[i + 1]);
	pid = fork();
	if (pid == 0) {
		/* A release, or the end of who made us. */
		while (recv(control, &r, sizeof(r), 0) > 0)
			;
		return 0;
	}
	if (send(control, &r, sizeof(r), 0) < 0)
		return 1;
	r.kind = STANDIN_PID;
	r.value = pid;
	return send(control, &r, sizeof(r), 0) < 0;
}
