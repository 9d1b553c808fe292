/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of ttrpc. The first byte chooses who meets them: the parser alone, in
 * pieces of changing length; a server of the agent's services; or a client that
 * waits for answers.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "fuzz.h"
#include "proto/agent.pb-c.h"
#include "proto/health.pb-c.h"
#include "ttrpc/frame.h"
#include "ttrpc/ttrpc.h"

#define ROUNDS_MAX 64

static void take_frames(struct frame_parser *p, uint64_t fed)
{
	struct frame f;

	while (frame_next(p, &f)) {
		must(p->taken <= fed);
		must(f.too_long == (f.head.length > TTRPC_DATA_MAX));
		/* The sanitizer watches that all of it may be read. */
		for (size_t i = 0; !f.too_long && i < f.head.length; i++)
			must(f.data[i] == *(const volatile uint8_t *)&f.data[i]);
	}
}

static void fuzz_parser(const uint8_t *data, size_t size)
{
	struct frame_parser p = { .buf = NULL };
	uint64_t fed = 0;
	size_t step = 1;

	while (size > 0) {
		size_t room, n = step < size ? step : size;
		uint8_t *to = frame_room(&p, &room);

		must(room >= 1);
		if (n > room)
			n = room;
		memcpy(to, data, n);
		frame_filled(&p, n);
		fed += n;
		data += n;
		size -= n;
		step = step * 3 % 61 + 1;
		take_frames(&p, fed);
		must(p.cap < 2 * 65536 + 4 * fed);
	}
	frame_reset(&p);
	must(!frame_partial(&p));
}

static void answer(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx)
{
	(void)ctx;
	(void)ttrpc_call_time_left(call);
	ttrpc_fail(call, TTRPC_ABORTED, "%s of %zu bytes", ttrpc_call_name(call),
		   protobuf_c_message_get_packed_size(req));
}

static const struct ttrpc_method agent_methods[] = {
	{ "CreateContainer", answer }, { "ExecProcess", answer },   { "WriteStdin", answer },
	{ "UpdateInterface", answer }, { "CreateSandbox", answer }, { "CopyFile", answer },
	{ "UpdateContainer", answer }, { "SignalProcess", answer }, { NULL, NULL },
};

static const struct ttrpc_method health_methods[] = { { "Check", answer }, { NULL, NULL } };

/* A pair of connected sockets; what @data holds is in the first one's way already. */
static void make_pair(int pair[2], const uint8_t *data, size_t size)
{
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	must(send(pair[1], data, size, MSG_NOSIGNAL) == (ssize_t)size);
	must(shutdown(pair[1], SHUT_WR) == 0);
}

static void fuzz_server(const uint8_t *data, size_t size)
{
	struct loop *loop = loop_new();
	struct ttrpc_server *srv = ttrpc_server_new(loop);
	int pair[2];

	ttrpc_server_add(srv, &grpc__agent_service__descriptor, agent_methods, NULL);
	ttrpc_server_add(srv, &grpc__health__descriptor, health_methods, NULL);
	make_pair(pair, data, size);
	must(ttrpc_server_serve(srv, pair[0]) == 0);
	for (int i = 0; i < ROUNDS_MAX && ttrpc_server_connections(srv) > 0; i++)
		must(loop_step(loop, 0) == 0);
	ttrpc_server_free(srv);
	loop_free(loop);
	close(pair[1]);
}

static void on_reply(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	unsigned *answers = arg;

	must(rsp || (err && err->code < 0));
	(*answers)++;
}

static void fuzz_client(const uint8_t *data, size_t size)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	struct loop *loop = loop_new();
	struct ttrpc_client *client;
	unsigned answers = 0;
	int pair[2];

	make_pair(pair, data, size);
	client = ttrpc_client_new(loop, pair[0], NULL, NULL);
	must(client);
	ttrpc_client_call(client, &grpc__health__descriptor, "Check", &req.base, 0, on_reply,
			  &answers);
	ttrpc_client_call(client, &grpc__agent_service__descriptor, "ReadStdout", &read.base, 0,
			  on_reply, &answers);
	for (int i = 0; i < ROUNDS_MAX && answers < 2; i++)
		must(loop_step(loop, 0) == 0);
	must(answers == 2); /* the stream has ended, so none can be waiting */
	ttrpc_client_free(client);
	loop_free(loop);
	close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 65536)
		return 0;
	if (data[0] % 3 == 0)
		fuzz_parser(data + 1, size - 1);
	else if (data[0] % 3 == 1)
		fuzz_server(data + 1, size - 1);
	else
		fuzz_client(data + 1, size - 1);
	return 0;
}
