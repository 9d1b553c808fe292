/* SPDX-License-Identifier: Apache-2.0 */
/* Client and server together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

static int setup_client(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	f->client = ttrpc_client_new(f->loop, serve_pair(f), NULL, NULL);
	assert_non_null(f->client);
	return 0;
}

static void answers(void **state)
{
	struct fixture *f = *state;
	struct result r = { 0 };

	assert_non_null(call_version(f, "one", 1000, &r));
	assert_false(r.done); /* never from within the call */
	run_until(f, &r.done);
	assert_int_equal(r.code, 0);
	assert_string_equal(r.text, "one");
	assert_int_equal(ttrpc_server_connections(f->srv), 1);
}

static void tells_the_servers_error(void **state)
{
	struct fixture *f = *state;
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	struct result r = { 0 };

	ttrpc_client_call(f->client, &grpc__health__descriptor, "Check", &req.base, 0, on_result,
			  &r);
	run_until(f, &r.done);
	assert_int_equal(r.code, ttrpc_errno_of_code(TTRPC_FAILED_PRECONDITION));
	assert_string_equal(r.text, "grpc.Health/Check: bad \?\?( bytes, good \xc3\xa9");
}

/* All at once and answered backwards: each answer finds its call. */
static void answers_in_any_order(void **state)
{
	enum { N = TTRPC_CALLS_MAX };
	struct fixture *f = *state;
	struct result *r = xcalloc(N + 1, sizeof(*r));

	for (size_t i = 0; i < N; i++)
		call_write(f, "c", 0, &r[i]);
	call_write(f, "c", 0, &r[N]);
	run_until_kept(f, N);
	run_until(f, &r[N].done);
	assert_int_equal(r[N].code, -ENOSPC);
	for (size_t i = N; i-- > 0;)
		answer_kept(f, i, (uint32_t)i + 7);
	for (size_t i = 0; i < N; i++)
		run_until(f, &r[i].done);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(r[i].code, 0);
		assert_int_equal(r[i].calls, 1);
		assert_int_equal(r[i].len, i + 7);
	}
	free(r);
}

static void refuses_what_cannot_be_sent(void **state)
{
	struct fixture *f = *state;
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	Grpc__WriteStreamRequest big = GRPC__WRITE_STREAM_REQUEST__INIT;
	auto_free uint8_t *data = xcalloc(1, TTRPC_DATA_MAX);
	struct result r[4] = { 0 };

	big.data.data = data;
	big.data.len = TTRPC_DATA_MAX;
	ttrpc_client_call(f->client, &grpc__health__descriptor, "NoSuch", &req.base, 0, on_result,
			  &r[0]);
	ttrpc_client_call(f->client, &grpc__health__descriptor, "Version", &big.base, 0, on_result,
			  &r[1]);
	ttrpc_client_call(f->client, &grpc__agent_service__descriptor, "WriteStdin", &big.base, 0,
			  on_result, &r[2]);
	call_version(f, "still there", 0, &r[3]);
	for (size_t i = 0; i < 4; i++)
		assert_false(r[i].done); /* never from within the call */
	for (size_t i = 0; i < 4; i++)
		run_until(f, &r[i].done);
	assert_int_equal(r[0].code, -ENOSYS);
	assert_int_equal(r[1].code, -EINVAL);
	assert_int_equal(r[2].code, -EMSGSIZE);
	assert_string_equal(r[3].text, "still there");
}

static void reply_too_long_or_wrong(void **state)
{
	struct fixture *f = *state;
	Grpc__ReadStreamRequest req = GRPC__READ_STREAM_REQUEST__INIT;
	struct result r[3] = { 0 };

	req.len = TTRPC_DATA_MAX - 16;
	ttrpc_client_call(f->client, &grpc__agent_service__descriptor, "ReadStdout", &req.base, 0,
			  on_result, &r[0]);
	req.len = TTRPC_DATA_MAX;
	ttrpc_client_call(f->client, &grpc__agent_service__descriptor, "ReadStdout", &req.base, 0,
			  on_result, &r[1]);
	ttrpc_client_call(f->client, &grpc__agent_service__descriptor, "ReadStderr", &req.base, 0,
			  on_result, &r[2]);
	for (size_t i = 0; i < 3; i++)
		run_until(f, &r[i].done);
	assert_int_equal(r[0].code, 0);
	assert_int_equal(r[0].len, TTRPC_DATA_MAX - 16);
	assert_int_equal(r[1].code, ttrpc_errno_of_code(TTRPC_RESOURCE_EXHAUSTED));
	assert_int_equal(r[2].code, ttrpc_errno_of_code(TTRPC_INTERNAL));
}

/* Both ends know the limit: here the server's handler hears of it too. */
static void limit_ends_a_call(void **state)
{
	struct fixture *f = *state;
	struct result r = { 0 }, next = { 0 };

	call_write(f, "c", 20, &r);
	run_until_kept(f, 1);
	assert_in_range(ttrpc_call_time_left(f->kept[0]), 0, 20);
	run_until(f, &r.done);
	assert_int_equal(r.code, -ETIMEDOUT);
	run_until_count(f, &f->cancelled, 1);
	answer_kept(f, 0, 1); /* too late, and harmless */
	call_version(f, "next", 0, &next);
	run_until(f, &next.done);
	assert_string_equal(next.text, "next");
	assert_int_equal(r.calls, 1);
}

static void forgets_a_cancelled_call(void **state)
{
	struct fixture *f = *state;
	struct result r = { 0 }, next = { 0 };
	struct ttrpc_pending *p = call_write(f, "c", 1000, &r), *q;

	run_until_kept(f, 1);
	assert_int_equal(ttrpc_call_time_left(f->kept[0]) > 0, 1);
	ttrpc_cancel(&p);
	assert_null(p);
	ttrpc_cancel(&p);
	q = ttrpc_client_call(f->client, &grpc__health__descriptor, "NoSuch", NULL, 0, on_result,
			      &r);
	ttrpc_cancel(&q);
	answer_kept(f, 0, 1);
	call_version(f, "next", 0, &next);
	run_until(f, &next.done);
	assert_false(r.done);
}

/* ---- the other end goes away --------------------------------------------------- */

struct ending {
	struct fixture *f;
	struct result r[3];
	unsigned int closed;
	bool done;
	int code;
};

static void on_closed(const struct err *err, void *arg)
{
	struct ending *e = arg;

	for (size_t i = 0; i < 2; i++)
		assert_true(e->r[i].done);
	e->code = err->code;
	e->closed++;
	e->done = true;
}

static void death_ends_all_calls(void **state)
{
	struct fixture *f = *state;
	struct ending e = { .f = f };

	f->client = ttrpc_client_new(f->loop, serve_pair(f), on_closed, &e);
	for (size_t i = 0; i < 2; i++)
		call_write(f, "c", 0, &e.r[i]);
	run_until_kept(f, 2);
	ttrpc_server_free(f->srv);
	f->srv = NULL;
	run_until(f, &e.done);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(e.r[i].code, -ECONNRESET);
		assert_int_equal(e.r[i].calls, 1);
	}
	assert_int_equal(e.code, -ECONNRESET);
	call_version(f, "late", 0, &e.r[2]);
	assert_false(e.r[2].done);
	run_until(f, &e.r[2].done);
	assert_int_equal(e.r[2].code, -ECONNRESET);
	assert_int_equal(e.closed, 1);
	assert_int_equal(f->cancelled, 0); /* who frees the server knows */
	answer_kept(f, 0, 1);
}

static void server_hears_of_a_client_that_left(void **state)
{
	struct fixture *f = *state;
	struct result r = { 0 };

	for (size_t i = 0; i < 3; i++)
		call_write(f, "c", 0, &r);
	run_until_kept(f, 3);
	f->cancel_fails = f->kept[2];
	ttrpc_client_free(f->client);
	f->client = NULL;
	run_until_count(f, &f->cancelled, 2);
	assert_int_equal(ttrpc_server_connections(f->srv), 0);
	assert_null(f->kept[2]); /* answered from within another's callback: not told itself */
	answer_kept(f, 0, 1);
	assert_false(r.done);
}

/* ---- freeing from callbacks ------------------------------------------------------ */

static void free_in_reply(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct ending *e = arg;

	on_result(rsp, err, &e->r[2]);
	ttrpc_client_free(e->f->client);
	e->f->client = NULL;
	e->done = true;
}

static void frees_the_client_from_its_reply(void **state)
{
	struct fixture *f = *state;
	struct ending e = { .f = f };
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;

	call_write(f, "c", 0, &e.r[0]);
	ttrpc_client_call(f->client, &grpc__health__descriptor, "Version", &req.base, 0,
			  free_in_reply, &e);
	call_version(f, "x", 0, &e.r[1]);
	run_until(f, &e.done);
	assert_int_equal(e.r[2].code, 0);
	while (ttrpc_server_connections(f->srv) > 0)
		loop_step(f->loop, 10);
	assert_false(e.r[0].done);
	assert_false(e.r[1].done);
}

static void frees_the_client_when_it_ends(void **state)
{
	struct fixture *f = *state;
	struct ending e = { .f = f };
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;

	f->client = ttrpc_client_new(f->loop, serve_pair(f), on_closed, &e);
	ttrpc_client_call(f->client, &grpc__health__descriptor, "Check", &req.base, 0,
			  free_in_reply, &e);
	call_write(f, "c", 0, &e.r[0]);
	ttrpc_server_free(f->srv);
	f->srv = NULL;
	run_until(f, &e.done);
	assert_int_equal(e.r[2].code, -ECONNRESET);
	assert_false(e.r[0].done);
	assert_int_equal(e.closed, 0);
}

static void free_at_end(const struct err *err, void *arg)
{
	struct ending *e = arg;

	e->code = err->code;
	ttrpc_client_free(e->f->client);
	e->f->client = NULL;
	e->done = true;
}

static void frees_the_client_from_closed(void **state)
{
	struct fixture *f = *state;
	struct ending e = { .f = f };

	ttrpc_client_free(f->client);
	f->client = ttrpc_client_new(f->loop, serve_pair(f), free_at_end, &e);
	ttrpc_server_free(f->srv);
	f->srv = NULL;
	run_until(f, &e.done);
	assert_int_equal(e.code, -ECONNRESET);
}

static void frees_the_server_from_a_handler(void **state)
{
	struct fixture *f = *state;
	struct result r[2] = { 0 };

	f->free_server = true;
	call_version(f, "a", 0, &r[0]);
	call_version(f, "b", 0, &r[1]);
	for (size_t i = 0; i < 2; i++) {
		run_until(f, &r[i].done);
		assert_int_equal(r[i].code, -ECONNRESET);
	}
	assert_int_equal(f->versions, 1);
}

static void frees_the_server_from_a_cancel(void **state)
{
	struct fixture *f = *state;
	struct result r = { 0 };

	call_write(f, "c", 0, &r);
	call_write(f, "c", 0, &r);
	run_until_kept(f, 2);
	f->free_server = true;
	ttrpc_client_free(f->client);
	f->client = NULL;
	run_until_count(f, &f->cancelled, 2);
	assert_null(f->srv);
}

/* ---- one call, waited for ---------------------------------------------------------- */

static void drop_the_client(void *arg)
{
	struct fixture *f = arg;

	ttrpc_client_free(f->client);
	f->client = NULL;
}

static void waits_for_one_call(void **state)
{
	struct fixture *f = *state;
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	Grpc__WriteStreamRequest write = GRPC__WRITE_STREAM_REQUEST__INIT;
	ProtobufCMessage *rsp = NULL;
	struct err err = ERR_INIT;

	req.service = (char *)"sync";
	assert_int_equal(ttrpc_client_call_sync(f->client, f->loop, &grpc__health__descriptor,
						"Version", &req.base, NULL, 0, 1000, &rsp, &err),
			 0);
	assert_string_equal(((Grpc__VersionCheckResponse *)rsp)->agent_version, "sync");
	protobuf_c_message_free_unpacked(rsp, NULL);
	assert_int_equal(ttrpc_client_call_sync(f->client, f->loop, &grpc__health__descriptor,
						"Version", &req.base, NULL, 0, 1000, NULL, &err),
			 0);
	assert_int_equal(ttrpc_client_call_sync(f->client, f->loop, &grpc__health__descriptor,
						"Check", &req.base, NULL, 0, 1000, &rsp, &err),
			 -EBUSY);
	assert_int_equal(ttrpc_client_call_sync(f->client, f->loop,
						&grpc__agent_service__descriptor, "WriteStdin",
						&write.base, NULL, 0, 10, NULL, &err),
			 -ETIMEDOUT);
	loop_add_timer(f->loop, 10, drop_the_client, f);
	assert_int_equal(ttrpc_client_call_sync(f->client, f->loop,
						&grpc__agent_service__descriptor, "WriteStdin",
						&write.base, NULL, 0, 0, NULL, &err),
			 -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup_client, teardown)
		T(answers),
		T(tells_the_servers_error),
		T(answers_in_any_order),
		T(refuses_what_cannot_be_sent),
		T(reply_too_long_or_wrong),
		T(limit_ends_a_call),
		T(forgets_a_cancelled_call),
		cmocka_unit_test_setup_teardown(death_ends_all_calls, setup, teardown),
		T(server_hears_of_a_client_that_left),
		T(frees_the_client_from_its_reply),
		cmocka_unit_test_setup_teardown(frees_the_client_when_it_ends, setup, teardown),
		T(frees_the_client_from_closed),
		T(frees_the_server_from_a_handler),
		T(frees_the_server_from_a_cancel),
		T(waits_for_one_call),
#undef T
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
