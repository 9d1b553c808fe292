/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to the loopback of a pod's namespace, and an agent that answers what it likes. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "host/network/netns.h"
#include "host/sandbox/loopback.h"
#include "host/sandbox/network_parts.h"
#include "sandbox_double.h"

#define LIMIT_MS 5000
#define ID	 7
#define PIECE	 16384 /* what the sandbox asks for */

struct fixture {
	struct sandbox_double box;
	struct network net;
	/* What the agent does, */
	bool refuses, says_too_much, takes_nothing;
	/* and what it was told. */
	struct ttrpc_call *reading;
	struct str written;
	bool ended;
	unsigned connected, closed;
	uint32_t port;
};

static void say(struct fixture *f, const char *text, size_t len)
{
	Grpc__ReadStreamResponse rsp = GRPC__READ_STREAM_RESPONSE__INIT;

	assert_non_null(f->reading);
	rsp.data = (ProtobufCBinaryData){ len, (uint8_t *)(uintptr_t)text };
	ttrpc_reply(take_ptr(f->reading), &rsp.base);
}

static void on_connect(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	Grpc__ConnectLoopbackResponse rsp = GRPC__CONNECT_LOOPBACK_RESPONSE__INIT;
	struct fixture *f = ctx;

	f->connected++;
	f->port = ((const Grpc__ConnectLoopbackRequest *)msg)->port;
	rsp.id = ID;
	if (f->refuses)
		ttrpc_fail(call, TTRPC_UNAVAILABLE, "refused");
	else
		ttrpc_reply(call, &rsp.base);
}

static void on_read(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	static char much[PIECE + 1];
	struct fixture *f = ctx;

	assert_int_equal(((const Grpc__ReadLoopbackRequest *)msg)->id, ID);
	assert_int_equal(((const Grpc__ReadLoopbackRequest *)msg)->len, PIECE);
	assert_null(f->reading);
	f->reading = call;
	if (f->says_too_much)
		say(f, much, sizeof(much));
}

static void on_write(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__WriteLoopbackRequest *req = (const Grpc__WriteLoopbackRequest *)msg;
	struct fixture *f = ctx;

	assert_int_equal(req->id, ID);
	if (f->takes_nothing) {
		ttrpc_fail(call, TTRPC_UNAVAILABLE, "broken pipe");
		return;
	}
	str_add(&f->written, req->data.data, req->data.len);
	f->ended = req->end;
	reply_empty(call);
}

static void on_close(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	struct fixture *f = ctx;

	if (((const Grpc__CloseLoopbackRequest *)msg)->id == ID) {
		f->closed++;
		if (f->reading)
			ttrpc_fail(take_ptr(f->reading), TTRPC_CANCELLED, "closed");
	}
	reply_empty(call);
}

static const struct ttrpc_method methods[] = { { "ConnectLoopback", on_connect },
					       { "ReadLoopback", on_read },
					       { "WriteLoopback", on_write },
					       { "CloseLoopback", on_close },
					       { NULL, NULL } };

static void settle(struct fixture *f)
{
	sandbox_double_settle(&f->box, 5);
}

/* An agent with these methods; the sandbox has just begun to run. */
static struct fixture *begin(const struct ttrpc_method *of_agent)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	f->box.sb.net = &f->net;
	f->net.netns = netns_new(&err);
	assert_true(f->net.netns >= 0);
	sandbox_double_begin(&f->box, of_agent, f);
	loopback_begin(&f->box.sb);
	settle(f);
	return f;
}

static void end(struct fixture *f)
{
	loopback_end(&f->box.sb);
	settle(f);
	sandbox_double_hang_up(&f->box);
	if (f->reading)
		ttrpc_fail(f->reading, TTRPC_CANCELLED, "the end");
	sandbox_double_end(&f->box);
	close_fd(&f->net.netns);
	str_free(&f->written);
	free(f);
}

/* 0 or the errno that it came to. */
static int dial(struct fixture *f, uint16_t port, int *fd)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int home;

	assert_int_equal(netns_enter(f->net.netns, &home, NULL), 0);
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	netns_leave(&home);
	if (connect(*fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return errno;
	settle(f);
	return 0;
}

static ssize_t hear(int fd, char *buf, size_t len)
{
	assert_true(fd_poll(fd, POLLIN, LIMIT_MS) > 0);
	return read(fd, buf, len);
}

static void test_both_ways(void **state)
{
	struct fixture *f = begin(methods);
	char buf[16];
	int fd;

	(void)state;
	assert_int_equal(dial(f, 8080, &fd), 0);
	assert_int_equal(f->connected, 1);
	assert_int_equal(f->port, 8080);
	assert_int_equal(write(fd, "ask", 3), 3);
	settle(f);
	assert_string_equal(str_text(&f->written), "ask");
	say(f, "told", 4);
	settle(f);
	assert_int_equal(hear(fd, buf, sizeof(buf)), 4);
	/* One half ends, then the other; nobody closes what has ended by itself. */
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	settle(f);
	assert_true(f->ended);
	say(f, "more", 4);
	settle(f);
	assert_int_equal(hear(fd, buf, sizeof(buf)), 4);
	say(f, NULL, 0);
	settle(f);
	assert_int_equal(hear(fd, buf, sizeof(buf)), 0);
	assert_null(f->reading);
	assert_int_equal(f->closed, 0);
	close(fd);
	end(f);
}

static void test_slow_client(void **state)
{
	struct fixture *f = begin(methods);
	static char piece[PIECE], buf[PIECE];
	size_t said = 0, heard = 0;
	int fd;

	(void)state;
	assert_int_equal(dial(f, 80, &fd), 0);
	/* Nobody asks for more while it does not take what was said. */
	while (f->reading && said < (64u << 20)) {
		say(f, piece, sizeof(piece));
		said += sizeof(piece);
		for (int i = 0; i < 20 && !f->reading; i++)
			assert_int_equal(loop_step(f->box.sb.loop, 1), 0);
	}
	assert_null(f->reading);
	while (heard < said) {
		heard += (size_t)hear(fd, buf, sizeof(buf));
		assert_int_equal(loop_step(f->box.sb.loop, 0), 0);
	}
	settle(f);
	assert_non_null(f->reading);
	close(fd);
	end(f);
}

static void expect_reset(int fd)
{
	char c;

	assert_int_equal(hear(fd, &c, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
}

static void test_refused_and_lies(void **state)
{
	struct fixture *f = begin(methods);
	int fd;

	(void)state;
	f->refuses = true;
	assert_int_equal(dial(f, 80, &fd), 0);
	expect_reset(fd);
	assert_int_equal(f->closed, 0);
	f->refuses = false;
	f->says_too_much = true;
	assert_int_equal(dial(f, 80, &fd), 0);
	settle(f);
	expect_reset(fd);
	assert_int_equal(f->closed, 1);
	end(f);
}

static void test_broken(void **state)
{
	struct fixture *f = begin(methods);
	struct linger reset = { .l_onoff = 1 };
	char buf[16];
	int fd;

	(void)state;
	/* The guest's program takes no more: what it has said comes, and its end. */
	f->takes_nothing = true;
	assert_int_equal(dial(f, 80, &fd), 0);
	assert_int_equal(write(fd, "x", 1), 1);
	settle(f);
	say(f, "bye", 3);
	settle(f);
	assert_int_equal(hear(fd, buf, sizeof(buf)), 3);
	say(f, NULL, 0);
	settle(f);
	assert_int_equal(hear(fd, buf, sizeof(buf)), 0);
	close(fd);
	/* Who has connected goes away: the guest's end is reset. */
	f->takes_nothing = false;
	assert_int_equal(dial(f, 80, &fd), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	close(fd);
	settle(f);
	assert_int_equal(f->closed, 1);
	assert_null(f->reading);
	/* The machine ends. */
	assert_int_equal(dial(f, 80, &fd), 0);
	loopback_end(&f->box.sb);
	expect_reset(fd);
	assert_int_not_equal(dial(f, 80, &fd), 0);
	close(fd);
	end(f);
}

static void test_agent_that_cannot(void **state)
{
	static const struct ttrpc_method none[] = { { NULL, NULL } };
	struct fixture *f = begin(none);
	int fd;

	(void)state;
	assert_null(f->box.sb.loopback);
	assert_int_equal(dial(f, 80, &fd), ECONNREFUSED);
	close(fd);
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),	  cmocka_unit_test(test_slow_client),
		cmocka_unit_test(test_refused_and_lies),  cmocka_unit_test(test_broken),
		cmocka_unit_test(test_agent_that_cannot),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
