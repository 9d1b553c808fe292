/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent-call.h"
#include "base/fd.h"

struct output {
	struct pump *pump;
	const char *method;
	int fd;
	bool ended;
};

struct pump {
	struct session *s;
	const char *cid, *eid;
	struct output out[2];
	struct loop_source *input;
	bool keep_stdin;
	int status;
};

static void fail(const struct err *err)
{
	fprintf(stderr, "error %s: %s\n", strerrorname_np(-err->code), err_msg(err));
	exit(125);
}

static void on_wait(const ProtobufCMessage *msg, const struct err *err, void *arg)
{
	struct pump *p = arg;

	if (err)
		fail(err);
	p->status = ((const Grpc__WaitProcessResponse *)msg)->status;
	loop_stop(p->s->loop, 0);
}

/*
 * Only when the output has ended: in the original the answer to WaitProcess takes
 * the process away, and with it what was not read.
 */
static void check_end(struct pump *p)
{
	Grpc__WaitProcessRequest req = GRPC__WAIT_PROCESS_REQUEST__INIT;

	if (!p->out[0].ended || !p->out[1].ended)
		return;
	req.container_id = (char *)p->cid;
	req.exec_id = (char *)p->eid;
	ttrpc_client_call(p->s->client, &grpc__agent_service__descriptor, "WaitProcess", &req.base,
			  0, on_wait, p);
}

static void ask(struct output *o);

static void on_read(const ProtobufCMessage *msg, const struct err *err, void *arg)
{
	const Grpc__ReadStreamResponse *rsp = (const Grpc__ReadStreamResponse *)msg;
	struct output *o = arg;

	if (err)
		fail(err);
	if (rsp->data.len == 0) {
		o->ended = true;
		check_end(o->pump);
		return;
	}
	if (fd_write_full(o->fd, rsp->data.data, rsp->data.len) < 0)
		exit(123);
	ask(o);
}

static void ask(struct output *o)
{
	Grpc__ReadStreamRequest req = GRPC__READ_STREAM_REQUEST__INIT;

	req.container_id = (char *)o->pump->cid;
	req.exec_id = (char *)o->pump->eid;
	req.len = 32768;
	ttrpc_client_call(o->pump->s->client, &grpc__agent_service__descriptor, o->method,
			  &req.base, 0, on_read, o);
}

static void on_closed(const ProtobufCMessage *msg, const struct err *err, void *arg)
{
	(void)msg;
	(void)err; /* it may have ended meanwhile */
	(void)arg;
}

static void next_input(struct pump *p);

static void on_written(const ProtobufCMessage *msg, const struct err *err, void *arg)
{
	(void)msg;
	if (!err)
		next_input(arg);
}

static void read_input(struct pump *p)
{
	static uint8_t buf[65536];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n > 0) {
		Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;

		req.container_id = (char *)p->cid;
		req.exec_id = (char *)p->eid;
		req.data.data = buf;
		req.data.len = (size_t)n;
		ttrpc_client_call(p->s->client, &grpc__agent_service__descriptor, "WriteStdin",
				  &req.base, 0, on_written, p);
	} else {
		Grpc__CloseStdinRequest req = GRPC__CLOSE_STDIN_REQUEST__INIT;

		req.container_id = (char *)p->cid;
		req.exec_id = (char *)p->eid;
		ttrpc_client_call(p->s->client, &grpc__agent_service__descriptor, "CloseStdin",
				  &req.base, CALL_MS, on_closed, p);
	}
}

static void on_input(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct pump *p = arg;

	(void)src;
	(void)fd;
	(void)events;
	loop_remove(&p->input);
	read_input(p);
}

static void next_input(struct pump *p)
{
	p->input = loop_add_fd(p->s->loop, STDIN_FILENO, EPOLLIN, on_input, p);
	if (!p->input)
		read_input(p); /* a regular file is always ready */
}

int pump(struct session *s, const char *cid, const char *eid, bool keep_stdin)
{
	static struct pump p;

	p = (struct pump){ .s = s, .cid = cid, .eid = eid, .keep_stdin = keep_stdin };
	p.out[0] = (struct output){ .pump = &p, .method = "ReadStdout", .fd = STDOUT_FILENO };
	p.out[1] = (struct output){ .pump = &p, .method = "ReadStderr", .fd = STDERR_FILENO };
	ask(&p.out[0]);
	ask(&p.out[1]);
	if (!keep_stdin)
		next_input(&p);
	loop_run(s->loop);
	return p.status;
}
