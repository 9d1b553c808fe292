/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/loop.h"

#define LIMIT_MS 10000

static void on_closed(const struct err *err, void *arg)
{
	(void)err;
	(void)arg;
}

void rpc_fixture_begin(struct rpc_fixture *f)
{
	int pair[2];

	f->agent.loop = loop_new();
	f->agent.server = ttrpc_server_new(f->agent.loop);
	rpc_register(&f->agent);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(ttrpc_server_serve(f->agent.server, pair[0]), 0);
	f->client = ttrpc_client_new(f->agent.loop, pair[1], on_closed, NULL);
	assert_non_null(f->client);
}

void rpc_fixture_end(struct rpc_fixture *f)
{
	ttrpc_client_free(f->client);
	ttrpc_server_free(f->agent.server);
	loop_free(f->agent.loop);
}

static void on_answer(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct rpc_answer *a = arg;

	a->done = true;
	a->code = err ? err->code : 0;
	if (rsp)
		a->keep(a, rsp);
}

void rpc_begin(struct rpc_fixture *f, const char *method, const ProtobufCMessage *req,
	       struct rpc_answer *a,
	       void (*keep)(struct rpc_answer *a, const ProtobufCMessage *rsp))
{
	*a = (struct rpc_answer){ .keep = keep };
	ttrpc_client_call(f->client, &grpc__agent_service__descriptor, method, req, LIMIT_MS,
			  on_answer, a);
}

int rpc_await(struct rpc_fixture *f, const struct rpc_answer *a)
{
	int64_t limit = loop_now_ms() + LIMIT_MS;

	while (!a->done && loop_now_ms() < limit)
		assert_int_equal(loop_step(f->agent.loop, 100), 0);
	assert_true(a->done);
	return a->code;
}
