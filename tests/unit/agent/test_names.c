/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of names, by calls as the runtime makes them, in a network of the test's own. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "dns/message.h"
#include "guest/agent/names.h"
#include "rpc_fixture.h"
#include "tests/unit/dns/own_network.h"

#define SERVER "127.0.0.11"

static const uint8_t query[DNS_HEADER_LEN] = { 7, 8, 1 };
static const uint8_t reply[DNS_HEADER_LEN] = { 7, 8, 0x81 };

struct answer {
	struct rpc_answer rpc;
	uint64_t id;
	char server[INET_ADDRSTRLEN];
	size_t len;
	uint8_t message[64];
};

static int setup(void **state)
{
	struct rpc_fixture *f = xcalloc(1, sizeof(*f));

	f->agent.guest = true;
	rpc_fixture_begin(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct rpc_fixture *f = *state;

	names_close();
	rpc_fixture_end(f);
	free(f);
	return 0;
}

static void keep_message(struct answer *a, const ProtobufCBinaryData *message)
{
	a->len = message->len;
	assert_true(a->len <= sizeof(a->message));
	memcpy(a->message, message->data, a->len);
}

static void keep(struct rpc_answer *rpc, const ProtobufCMessage *rsp)
{
	struct answer *a = (struct answer *)rpc;

	if (rsp->descriptor == &grpc__name_query__descriptor) {
		const Grpc__NameQuery *q = (const Grpc__NameQuery *)rsp;

		a->id = q->id;
		assert_int_equal(q->server.len, 4);
		inet_ntop(AF_INET, q->server.data, a->server, sizeof(a->server));
		keep_message(a, &q->message);
	} else if (rsp->descriptor == &grpc__name_answer__descriptor) {
		keep_message(a, &((const Grpc__NameAnswer *)rsp)->message);
	}
}

static void begin(struct rpc_fixture *f, const char *method, const ProtobufCMessage *req,
		  struct answer *a)
{
	*a = (struct answer){ .id = 0 };
	rpc_begin(f, method, req, &a->rpc, keep);
}

static int serve(struct rpc_fixture *f, size_t n, uint8_t servers[][4], size_t len)
{
	Grpc__ServeNamesRequest req = GRPC__SERVE_NAMES_REQUEST__INIT;
	ProtobufCBinaryData list[4];
	struct answer a;

	for (size_t i = 0; i < n; i++)
		list[i] = (ProtobufCBinaryData){ len, servers[i] };
	req.servers = list;
	req.n_servers = n;
	begin(f, "ServeNames", &req.base, &a);
	return rpc_await(f, &a.rpc);
}

static void next(struct rpc_fixture *f, struct answer *a)
{
	Grpc__GetNameQueryRequest req = GRPC__GET_NAME_QUERY_REQUEST__INIT;

	begin(f, "GetNameQuery", &req.base, a);
}

static void tell(struct rpc_fixture *f, uint64_t id)
{
	Grpc__AnswerNameQueryRequest req = GRPC__ANSWER_NAME_QUERY_REQUEST__INIT;
	struct answer a;

	req.id = id;
	req.message = (ProtobufCBinaryData){ sizeof(reply), (uint8_t *)(uintptr_t)reply };
	begin(f, "AnswerNameQuery", &req.base, &a);
	assert_int_equal(rpc_await(f, &a.rpc), 0);
}

static int ask_from_inside(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(DNS_PORT),
				  .sin_addr.s_addr = inet_addr(SERVER) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, query, sizeof(query), 0), sizeof(query));
	return fd;
}

static void questions_wait_for_the_host_and_it_for_them(void **state)
{
	uint8_t servers[][4] = { { 127, 0, 0, 11 } }, buf[64];
	struct rpc_fixture *f = *state;
	struct answer a;

	assert_int_equal(serve(f, 1, servers, 4), 0);
	for (int i = 0; i < 2; i++) {
		auto_close int fd = -1;

		if (i == 0)
			fd = ask_from_inside();
		for (int k = 0; k < 5; k++)
			loop_step(f->agent.loop, 5);
		next(f, &a);
		for (int k = 0; k < 5; k++)
			loop_step(f->agent.loop, 5);
		if (i == 1)
			fd = ask_from_inside();
		assert_int_equal(rpc_await(f, &a.rpc), 0);
		assert_string_equal(a.server, SERVER);
		assert_int_equal(a.len, sizeof(query));
		/* The same servers again: nothing is forgotten. */
		assert_int_equal(serve(f, 1, servers, 4), 0);
		tell(f, a.id);
		assert_int_equal(recv(fd, buf, sizeof(buf), 0), sizeof(reply));
		tell(f, a.id);
	}
	/* None: nobody takes them. */
	assert_int_equal(serve(f, 0, NULL, 4), 0);
	tell(f, a.id);
}

static void what_is_no_server(void **state)
{
	uint8_t outside[][4] = { { 128, 0, 0, 1 } };
	uint8_t many[][4] = {
		{ 127, 0, 0, 1 }, { 127, 0, 0, 2 }, { 127, 0, 0, 3 }, { 127, 0, 0, 4 }
	};
	struct rpc_fixture *f = *state;

	assert_int_equal(serve(f, 1, outside, 4), -EINVAL);
	assert_int_equal(serve(f, 1, many, 3), -EINVAL);
	assert_int_equal(serve(f, 4, many, 4), -EINVAL);
	f->agent.guest = false;
	assert_int_equal(serve(f, 1, many, 4), -EINVAL);
}

static int ask_outside(struct rpc_fixture *f, size_t address_len, const uint8_t *message,
		       size_t len, struct answer *a)
{
	Grpc__AskNameServerRequest req = GRPC__ASK_NAME_SERVER_REQUEST__INIT;
	uint8_t address[16] = { 127, 0, 0, 77 };

	req.server = (ProtobufCBinaryData){ address_len, address };
	req.message = (ProtobufCBinaryData){ len, (uint8_t *)(uintptr_t)message };
	begin(f, "AskNameServer", &req.base, a);
	return 0;
}

static void the_host_asks(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(DNS_PORT),
				  .sin_addr.s_addr = inet_addr("127.0.0.77") };
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct rpc_fixture *f = *state;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct answer a, more[NAMES_ASKS_MAX];
	uint8_t buf[64];

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ask_outside(f, 4, query, sizeof(query), &a);
	while (recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len) < 0)
		loop_step(f->agent.loop, 20);
	sendto(fd, reply, sizeof(reply), 0, (struct sockaddr *)&from, len);
	assert_int_equal(rpc_await(f, &a.rpc), 0);
	assert_int_equal(a.len, sizeof(reply));
	ask_outside(f, 16, query, sizeof(query), &a);
	assert_int_equal(rpc_await(f, &a.rpc), -EINVAL);
	ask_outside(f, 4, reply, sizeof(reply), &a);
	assert_int_equal(rpc_await(f, &a.rpc), -EINVAL);
	/* So many, and no more; all end with the sandbox. */
	for (size_t i = 0; i < NAMES_ASKS_MAX; i++)
		ask_outside(f, 4, query, sizeof(query), &more[i]);
	ask_outside(f, 4, query, sizeof(query), &a);
	assert_int_not_equal(rpc_await(f, &a.rpc), 0);
	assert_false(more[0].rpc.done);
	names_close();
	assert_int_not_equal(rpc_await(f, &more[NAMES_ASKS_MAX - 1].rpc), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(questions_wait_for_the_host_and_it_for_them, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_no_server, setup, teardown),
		cmocka_unit_test_setup_teardown(the_host_asks, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, own_network, NULL);
}
