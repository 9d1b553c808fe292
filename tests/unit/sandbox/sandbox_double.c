/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox_double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

void reply_empty(struct ttrpc_call *call)
{
	static const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	ttrpc_reply(call, &empty.base);
}

static void on_lost(const struct err *why, void *arg)
{
	(void)why;
	(void)arg;
}

void sandbox_double_begin(struct sandbox_double *d, const struct ttrpc_method *methods, void *ctx)
{
	struct err err = ERR_INIT;
	int pair[2];

	d->st.id = (char *)"sb";
	d->sb.st = &d->st;
	d->sb.loop = loop_new();
	d->sb.phase = PHASE_RUNNING;
	list_init(&d->sb.calls);
	list_init(&d->sb.containers);
	d->server = ttrpc_server_new(d->sb.loop);
	ttrpc_server_add(d->server, &grpc__agent_service__descriptor, methods, ctx);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(ttrpc_server_serve(d->server, pair[0]), 0);
	d->sb.agent = agent_new(d->sb.loop, pair[1], false, 0, on_lost, NULL, &err);
	assert_non_null(d->sb.agent);
}

void sandbox_double_hang_up(struct sandbox_double *d)
{
	agent_free(d->sb.agent);
	d->sb.phase = PHASE_ENDED;
	call_flush(&d->sb);
}

void sandbox_double_end(struct sandbox_double *d)
{
	ttrpc_server_free(d->server);
	loop_free(d->sb.loop);
	prom_histogram_free(&d->sb.rpcs);
}

void sandbox_double_settle(struct sandbox_double *d, int ms)
{
	for (int i = 0; i < 10; i++)
		assert_int_equal(loop_step(d->sb.loop, ms), 0);
}
