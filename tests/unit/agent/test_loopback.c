/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to the loopback, by calls as the runtime makes them; real sockets are at the other end. */
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
#include "guest/agent/loopback.h"
#include "rpc_fixture.h"

struct fixture {
	struct rpc_fixture rpc;
	int listener;
	uint16_t port;
};

static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(a);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	rpc_fixture_begin(&f->rpc);
	f->listener = listen_somewhere(&f->port);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loopback_close_all();
	rpc_fixture_end(&f->rpc);
	close_fd(&f->listener);
	free(f);
	return 0;
}

struct answer {
	struct rpc_answer rpc;
	uint64_t id;
	char data[65536];
	size_t len;
};

static void keep(struct rpc_answer *rpc, const ProtobufCMessage *rsp)
{
	struct answer *a = (struct answer *)rpc;

	if (rsp->descriptor == &grpc__connect_loopback_response__descriptor)
		a->id = ((const Grpc__ConnectLoopbackResponse *)rsp)->id;
	if (rsp->descriptor == &grpc__read_stream_response__descriptor) {
		a->len = ((const Grpc__ReadStreamResponse *)rsp)->data.len;
		assert_true(a->len < sizeof(a->data));
		if (a->len)
			memcpy(a->data, ((const Grpc__ReadStreamResponse *)rsp)->data.data, a->len);
		a->data[a->len] = '\0';
	}
}

static void begin(struct fixture *f, const char *method, const ProtobufCMessage *req,
		  struct answer *a)
{
	*a = (struct answer){ .id = 0 };
	rpc_begin(&f->rpc, method, req, &a->rpc, keep);
}

static void settle(struct fixture *f)
{
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_step(f->rpc.agent.loop, 5), 0);
}

static int dial(struct fixture *f, const char *address, uint32_t port, struct answer *a)
{
	Grpc__ConnectLoopbackRequest req = GRPC__CONNECT_LOOPBACK_REQUEST__INIT;
	uint8_t bytes[16];

	req.address.len = strchr(address, ':') ? 16 : 4;
	assert_int_equal(inet_pton(req.address.len == 16 ? AF_INET6 : AF_INET, address, bytes), 1);
	req.address.data = bytes;
	req.port = port;
	begin(f, "ConnectLoopback", &req.base, a);
	return rpc_await(&f->rpc, &a->rpc);
}

static void begin_read(struct fixture *f, uint64_t id, struct answer *a)
{
	Grpc__ReadLoopbackRequest req = GRPC__READ_LOOPBACK_REQUEST__INIT;

	req.id = id;
	req.len = 16384;
	begin(f, "ReadLoopback", &req.base, a);
}

static int put(struct fixture *f, uint64_t id, const char *text, bool end, struct answer *a)
{
	Grpc__WriteLoopbackRequest req = GRPC__WRITE_LOOPBACK_REQUEST__INIT;

	req.id = id;
	req.data = (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)text };
	req.end = end;
	begin(f, "WriteLoopback", &req.base, a);
	return rpc_await(&f->rpc, &a->rpc);
}

static void hang_up(struct fixture *f, uint64_t id)
{
	Grpc__CloseLoopbackRequest req = GRPC__CLOSE_LOOPBACK_REQUEST__INIT;
	struct answer a;

	req.id = id;
	begin(f, "CloseLoopback", &req.base, &a);
	assert_int_equal(rpc_await(&f->rpc, &a.rpc), 0);
}

/* The server's side: what it gets up to the end, at most 1 s. */
static ssize_t hear(int fd, char *buf, size_t len)
{
	assert_int_equal(fd_poll(fd, POLLIN, 1000), POLLIN);
	return recv(fd, buf, len, 0);
}

static void test_both_ways_and_ends(void **state)
{
	struct fixture *f = *state;
	static struct answer a, r;
	char buf[64];
	int fd;

	assert_int_equal(dial(f, "127.0.0.1", f->port, &a), 0);
	fd = accept(f->listener, NULL, NULL);
	begin_read(f, a.id, &r);
	settle(f);
	assert_false(r.rpc.done);
	assert_int_equal(write(fd, "hello", 5), 5);
	assert_int_equal(rpc_await(&f->rpc, &r.rpc), 0);
	assert_string_equal(r.data, "hello");
	r.id = a.id;
	/* Half of it ends; the other half goes on. */
	assert_int_equal(put(f, r.id, "request", true, &a), 0);
	assert_int_equal(hear(fd, buf, sizeof(buf)), 7);
	assert_int_equal(hear(fd, buf, sizeof(buf)), 0);
	assert_int_equal(put(f, r.id, "more", false, &a), -EBUSY);
	assert_int_equal(write(fd, "answer", 6), 6);
	begin_read(f, r.id, &a);
	assert_int_equal(rpc_await(&f->rpc, &a.rpc), 0);
	assert_string_equal(a.data, "answer");
	close(fd);
	begin_read(f, r.id, &a);
	assert_int_equal(rpc_await(&f->rpc, &a.rpc), 0);
	assert_int_equal(a.len, 0);
	/* Both have ended: it is gone. */
	begin_read(f, r.id, &a);
	assert_int_equal(rpc_await(&f->rpc, &a.rpc), -ENOENT);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	static struct answer a;
	uint8_t other[4] = { 10, 0, 0, 1 };
	Grpc__ConnectLoopbackRequest req = GRPC__CONNECT_LOOPBACK_REQUEST__INIT;

	close_fd(&f->listener);
	assert_int_equal(dial(f, "127.0.0.1", f->port, &a), -ECONNREFUSED);
	assert_int_equal(dial(f, "::1", 1, &a), -ECONNREFUSED);
	assert_int_equal(dial(f, "127.0.0.1", 0, &a), -EINVAL);
	assert_int_equal(dial(f, "127.0.0.1", 65536, &a), -EINVAL);
	assert_int_equal(dial(f, "fe80::1", 80, &a), -EINVAL);
	req.address = (ProtobufCBinaryData){ .len = 4, .data = other };
	req.port = 80;
	begin(f, "ConnectLoopback", &req.base, &a);
	assert_int_equal(rpc_await(&f->rpc, &a.rpc), -EINVAL);
	req.address.len = 0;
	begin(f, "ConnectLoopback", &req.base, &a);
	assert_int_equal(rpc_await(&f->rpc, &a.rpc), -EINVAL);
}

static void test_resets(void **state)
{
	struct linger reset = { .l_onoff = 1 };
	struct fixture *f = *state;
	static struct answer a, r;
	char buf[64];
	uint64_t id;
	int fd;

	/* The guest's end: what it said before is not lost. */
	assert_int_equal(dial(f, "127.0.0.1", f->port, &a), 0);
	id = a.id;
	fd = accept(f->listener, NULL, NULL);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	close(fd);
	begin_read(f, id, &r);
	assert_int_equal(rpc_await(&f->rpc, &r.rpc),
			 -ECONNREFUSED); /* as ttrpc says all of its kind */
	/* The host's: the guest finds it reset, and the call that waits ends. */
	assert_int_equal(dial(f, "127.0.0.1", f->port, &a), 0);
	id = a.id;
	fd = accept(f->listener, NULL, NULL);
	begin_read(f, id, &r);
	settle(f);
	hang_up(f, id);
	assert_int_equal(rpc_await(&f->rpc, &r.rpc), -ECANCELED);
	assert_true(fd_poll(fd, POLLIN, 1000) > 0);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	hang_up(f, id);
	/* Who goes away in the middle of a call. */
	assert_int_equal(dial(f, "127.0.0.1", f->port, &a), 0);
	fd = accept(f->listener, NULL, NULL);
	begin_read(f, a.id, &r);
	settle(f);
	ttrpc_client_free(f->rpc.client);
	f->rpc.client = NULL;
	settle(f);
	assert_true(fd_poll(fd, POLLIN, 1000) > 0);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), -1);
	close(fd);
}

static void test_backpressure(void **state)
{
	struct fixture *f = *state;
	static struct answer a, w, r;
	static char big[1 << 20];
	Grpc__WriteLoopbackRequest req = GRPC__WRITE_LOOPBACK_REQUEST__INIT;
	size_t got = 0, sent = 0;
	int small = 4096, fd;

	assert_int_equal(setsockopt(f->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(dial(f, "127.0.0.1", f->port, &a), 0);
	fd = accept(f->listener, NULL, NULL);
	req.id = a.id;
	req.data = (ProtobufCBinaryData){ .len = sizeof(big), .data = (uint8_t *)big };
	/* Until nobody takes any more: the call waits, and so does what comes behind it. */
	do {
		begin(f, "WriteLoopback", &req.base, &w);
		sent += sizeof(big);
		for (int i = 0; i < 20 && !w.rpc.done; i++)
			settle(f);
	} while (w.rpc.done && sent < 64 * sizeof(big));
	assert_false(w.rpc.done);
	assert_int_equal(put(f, a.id, "x", false, &r), -EBUSY);
	while (got < sent) {
		ssize_t n = recv(fd, big, sizeof(big), MSG_DONTWAIT);

		if (n > 0)
			got += (size_t)n;
		assert_int_equal(loop_step(f->rpc.agent.loop, n > 0 ? 0 : 10), 0);
	}
	assert_int_equal(rpc_await(&f->rpc, &w.rpc), 0);
	close(fd);
}

static void test_bounded(void **state)
{
	struct fixture *f = *state;
	static struct answer a, waits;
	uint64_t first = 0;

	for (int i = 0; i < LOOPBACK_MAX; i++) {
		assert_int_equal(dial(f, "127.0.0.1", f->port, &a), 0);
		first = i == 0 ? a.id : first;
		close(accept(f->listener, NULL, NULL));
	}
	/* One that nobody asks for makes room; one that somebody waits for stays. */
	begin_read(f, a.id, &waits);
	settle(f);
	assert_int_equal(dial(f, "127.0.0.1", f->port, &a), 0);
	begin_read(f, first, &a);
	assert_int_equal(rpc_await(&f->rpc, &a.rpc), -ENOENT);
	loopback_close_all();
	settle(f);
	assert_true(waits.rpc.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_ways_and_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backpressure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
