/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of names: an agent that asks what it likes, and a server on the host's side. */
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
#include "base/file.h"
#include "base/str.h"
#include "dns/message.h"
#include "host/network/netns.h"
#include "host/sandbox/names.h"
#include "host/sandbox/network_parts.h"
#include "sandbox_double.h"

#define ASKS_MAX 64 /* that the sandbox has at a time */
#define SERVER	 "127.0.0.11"

static const uint8_t query[DNS_HEADER_LEN] = { 7, 8, 1 };
static const uint8_t reply[DNS_HEADER_LEN] = { 7, 8, 0x81 };

struct fixture {
	struct sandbox_double box;
	struct network net;
	struct container c;
	char resolv_conf[32];
	int server; /* at SERVER */
	int listener;
	unsigned served;
	size_t n_servers;
	struct ttrpc_call *next; /* GetNameQuery */
	unsigned answered, refused;
	uint64_t id; /* of the last answer */
	unsigned asked;
};

static void on_serve(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	struct fixture *f = ctx;

	f->served++;
	f->n_servers = ((const Grpc__ServeNamesRequest *)msg)->n_servers;
	reply_empty(call);
}

static void on_next(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	struct fixture *f = ctx;

	(void)msg;
	assert_null(f->next);
	f->next = call;
}

static void on_answer(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__AnswerNameQueryRequest *req = (const Grpc__AnswerNameQueryRequest *)msg;
	struct fixture *f = ctx;

	f->id = req->id;
	if (req->message.len == 0) {
		f->refused++;
	} else {
		assert_int_equal(req->message.len, sizeof(reply));
		assert_memory_equal(req->message.data, reply, sizeof(reply));
		f->answered++;
	}
	reply_empty(call);
}

static void on_ask(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__AskNameServerRequest *req = (const Grpc__AskNameServerRequest *)msg;
	Grpc__NameAnswer rsp = GRPC__NAME_ANSWER__INIT;
	struct fixture *f = ctx;

	f->asked++;
	assert_int_equal(req->server.len, 4);
	rsp.message = (ProtobufCBinaryData){ sizeof(reply), (uint8_t *)(uintptr_t)reply };
	ttrpc_reply(call, &rsp.base);
}

static const struct ttrpc_method methods[] = { { "ServeNames", on_serve },
					       { "GetNameQuery", on_next },
					       { "AnswerNameQuery", on_answer },
					       { "AskNameServer", on_ask },
					       { NULL, NULL } };
static const struct ttrpc_method none[] = { { NULL, NULL } };

static int note(void *arg, const char *entry, struct err *err)
{
	(void)arg;
	(void)entry;
	(void)err;
	return 0;
}

static void forget(void *arg, const char *entry)
{
	(void)arg;
	(void)entry;
}

static void settle(struct fixture *f)
{
	sandbox_double_settle(&f->box, 2);
}

static int udp_of(struct fixture *f)
{
	int home, fd;

	assert_int_equal(netns_enter(f->net.netns, &home, NULL), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	netns_leave(&home);
	assert_true(fd >= 0);
	return fd;
}

/* Who serves names listens to TCP, too. */
static int listen_at(struct fixture *f, const char *address, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = inet_addr(address) };
	int home, fd;

	assert_int_equal(netns_enter(f->net.netns, &home, NULL), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	netns_leave(&home);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void write_servers(struct fixture *f, const char *text)
{
	assert_int_equal(file_replace(f->resolv_conf, text, strlen(text), 0644, NULL), 0);
}

static struct fixture *begin(const struct ttrpc_method *of_agent)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(DNS_PORT),
				  .sin_addr.s_addr = inet_addr(SERVER) };
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	memcpy(f->resolv_conf, "/tmp/kata-names-XXXXXX", 23);
	close(mkstemp(f->resolv_conf));
	sandbox_double_begin(&f->box, of_agent, f);
	f->box.sb.net = &f->net;
	list_add_tail(&f->box.sb.containers, &f->c.link);
	f->c.resolv_conf = f->resolv_conf;
	f->net.netns = netns_new(&err);
	assert_true(f->net.netns >= 0);
	f->net.journal = (struct net_journal){ note, forget, NULL };
	f->server = udp_of(f);
	assert_int_equal(bind(f->server, (struct sockaddr *)&at, sizeof(at)), 0);
	/* Docker's, at some port. */
	f->listener = listen_at(f, SERVER, 12345);
	write_servers(f, "nameserver " SERVER "\n");
	return f;
}

static void end(struct fixture *f)
{
	if (f->next)
		ttrpc_fail(f->next, TTRPC_CANCELLED, "the end");
	f->box.sb.phase = PHASE_ENDED;
	settle(f);
	names_end(&f->box.sb);
	sandbox_double_hang_up(&f->box);
	sandbox_double_end(&f->box);
	close_fd(&f->server);
	close_fd(&f->listener);
	close_fd(&f->net.netns);
	unlink(f->resolv_conf);
	free(f);
}

/* The guest asks. */
static void put(struct fixture *f, uint64_t id, const char *server, const uint8_t *data, size_t len)
{
	Grpc__NameQuery rsp = GRPC__NAME_QUERY__INIT;
	struct in_addr at = { .s_addr = inet_addr(server) };

	assert_non_null(f->next);
	rsp.id = id;
	rsp.server = (ProtobufCBinaryData){ *server ? 4 : 3, (uint8_t *)&at };
	rsp.message = (ProtobufCBinaryData){ len, (uint8_t *)(uintptr_t)data };
	ttrpc_reply(take_ptr(f->next), &rsp.base);
	settle(f);
}

static ssize_t hear(struct fixture *f, struct sockaddr_in *from)
{
	socklen_t len = sizeof(*from);
	uint8_t buf[64];

	return recvfrom(f->server, buf, sizeof(buf), 0, (struct sockaddr *)from, &len);
}

static void asks_the_server_and_no_other(void **state)
{
	static const char *const others[] = { "127.0.0.1", "127.0.0.12", "8.8.8.8", "" };
	struct fixture *f = begin(methods);
	struct sockaddr_in from;

	(void)state;
	names_look(&f->box.sb);
	settle(f);
	assert_int_equal(f->served, 1);
	assert_int_equal(f->n_servers, 1);
	put(f, 5, SERVER, query, sizeof(query));
	assert_int_equal(hear(f, &from), sizeof(query));
	assert_int_equal(f->answered, 0);
	assert_int_equal(
		sendto(f->server, reply, sizeof(reply), 0, (struct sockaddr *)&from, sizeof(from)),
		sizeof(reply));
	settle(f);
	assert_int_equal(f->answered, 1);
	assert_int_equal(f->id, 5);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		put(f, 10 + i, others[i], query, sizeof(query));
		assert_int_equal(f->refused, i + 1);
		assert_int_equal(f->id, 10 + i);
	}
	/* What is no question. */
	put(f, 20, SERVER, reply, sizeof(reply));
	put(f, 21, SERVER, query, sizeof(query) - 1);
	put(f, 22, SERVER, NULL, 0);
	assert_int_equal(f->refused, ARRAY_SIZE(others) + 3);
	assert_int_equal(hear(f, &from), -1);
	/* Nobody is there any more. */
	close_fd(&f->server);
	put(f, 30, SERVER, query, sizeof(query));
	assert_int_equal(f->refused, ARRAY_SIZE(others) + 4);
	end(f);
}

static void has_so_many_at_a_time(void **state)
{
	struct fixture *f = begin(methods);
	struct sockaddr_in from;

	(void)state;
	names_look(&f->box.sb);
	settle(f);
	for (uint64_t i = 0; i < ASKS_MAX; i++)
		put(f, i + 1, SERVER, query, sizeof(query));
	assert_null(f->next);
	assert_int_equal(hear(f, &from), sizeof(query));
	sendto(f->server, reply, sizeof(reply), 0, (struct sockaddr *)&from, sizeof(from));
	settle(f);
	assert_int_equal(f->answered, 1);
	assert_non_null(f->next);
	end(f);
}

static void who_serves_himself_is_left_alone(void **state)
{
	struct fixture *f = begin(methods);
	auto_close int some = listen_at(f, "127.0.0.1", 5353), fd = -1;

	(void)state;
	/* A container that serves names, say: nobody is there on this side. */
	assert_true(some >= 0);
	write_servers(f, "nameserver 127.0.0.1\nnameserver 127.0.0.12\n");
	names_look(&f->box.sb);
	assert_null(f->box.sb.names);
	fd = listen_at(f, "127.0.0.1", DNS_PORT);
	names_look(&f->box.sb);
	settle(f);
	assert_int_equal(f->n_servers, 1);
	/* He is away for a while. */
	close_fd(&fd);
	names_look(&f->box.sb);
	settle(f);
	assert_int_equal(f->served, 1);
	end(f);
}

static void follows_the_file(void **state)
{
	struct fixture *f = begin(methods);
	auto_close int second = listen_at(f, "127.0.0.53", DNS_PORT);

	(void)state;
	assert_true(second >= 0);
	write_servers(f, "nameserver 10.0.0.1\n");
	names_look(&f->box.sb);
	assert_null(f->box.sb.names);
	write_servers(f, "nameserver " SERVER "\nnameserver 127.0.0.53\n");
	names_look(&f->box.sb);
	names_look(&f->box.sb);
	settle(f);
	assert_int_equal(f->served, 1);
	assert_int_equal(f->n_servers, 2);
	write_servers(f, "");
	names_look(&f->box.sb);
	settle(f);
	assert_int_equal(f->served, 2);
	assert_int_equal(f->n_servers, 0);
	put(f, 1, SERVER, query, sizeof(query));
	assert_int_equal(f->refused, 1);
	unlink(f->resolv_conf);
	names_look(&f->box.sb);
	settle(f);
	assert_int_equal(f->served, 2);
	end(f);
}

static void an_agent_that_cannot(void **state)
{
	struct fixture *f = begin(none);

	(void)state;
	for (int i = 0; i < 2; i++) {
		names_look(&f->box.sb);
		settle(f);
	}
	assert_int_equal(f->served, 0);
	assert_null(f->next);
	end(f);
}

static void what_the_server_asks_others(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(DNS_PORT),
				  .sin_addr.s_addr = inet_addr("8.8.8.8") };
	struct fixture *f = begin(methods);
	auto_close int fd = -1;
	uint8_t buf[64];

	(void)state;
	names_look(&f->box.sb);
	settle(f);
	fd = udp_of(f);
	/* There is no way there but ours. */
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, query, sizeof(query), 0), sizeof(query));
	settle(f);
	assert_int_equal(f->asked, 1);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), sizeof(reply));
	assert_memory_equal(buf, reply, sizeof(reply));
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_the_server_and_no_other),
		cmocka_unit_test(has_so_many_at_a_time),
		cmocka_unit_test(who_serves_himself_is_left_alone),
		cmocka_unit_test(follows_the_file),
		cmocka_unit_test(an_agent_that_cannot),
		cmocka_unit_test(what_the_server_asks_others),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
