/* SPDX-License-Identifier: Apache-2.0 */
/* The server, spoken to in frames made by hand. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/un.h>

#include "base/fd.h"
#include "fixture.h"

static int setup_raw(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	f->raw = serve_pair(f);
	return 0;
}

static void put_write(struct str *s, uint32_t stream, uint8_t flags, int64_t timeout_nano,
		      const char *fds)
{
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;

	put_request(s, stream, flags, "grpc.AgentService", "WriteStdin", &req.base, timeout_nano,
		    fds);
}

/*
 * What Go's client sends for grpc.Health/Version with service "hi", a deadline
 * of 1 s and containerd's namespace as metadata, written down from the protocol.
 */
static void bytes_of_another_client(void **state)
{
	static const uint8_t request[] = "\x00\x00\x00\x49\x00\x00\x00\x01\x01\x00"
					 "\x0a\x0bgrpc.Health"
					 "\x12\x07Version"
					 "\x1a\x04\x0a\x02hi"
					 "\x20\x80\x94\xeb\xdc\x03"
					 "\x2a\x25\x0a\x1a"
					 "containerd-namespace-ttrpc"
					 "\x12\x07"
					 "default";
	static const uint8_t response[] = "\x00\x00\x00\x0a\x00\x00\x00\x01\x02\x00"
					  "\x12\x08\x0a\x02hi\x12\x02hi";
	struct fixture *f = *state;
	uint8_t got[sizeof(response) - 1];
	size_t n = 0;

	assert_int_equal(write(f->raw, request, sizeof(request) - 1), sizeof(request) - 1);
	while (n < sizeof(got)) {
		ssize_t r;

		assert_int_equal(loop_step(f->loop, 1000), 0);
		r = recv(f->raw, got + n, sizeof(got) - n, MSG_DONTWAIT);
		if (r < 0 && errno == EAGAIN)
			continue;
		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_memory_equal(got, response, sizeof(got));
}

static void requests_split_anywhere(void **state)
{
	struct fixture *f = *state;
	auto_str struct str probe = STR_INIT;
	uint32_t stream = 1;

	put_version(&probe, 1, "split");
	for (size_t at = 0; at <= probe.len; at++, stream += 2) {
		auto_str struct str s = STR_INIT;
		struct str part;

		put_version(&s, stream, "split");
		part = (struct str){ s.data, at, at };
		raw_send(f, &part);
		part = (struct str){ s.data + at, s.len - at, s.len - at };
		raw_send(f, &part);
		expect_version(f, stream, "split");
	}
}

static void many_requests_in_one_write(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;

	for (uint32_t i = 0; i < 500; i++)
		put_version(&s, 2 * i + 1, "x");
	raw_send(f, &s);
	for (uint32_t i = 0; i < 500; i++)
		expect_version(f, 2 * i + 1, "x");
}

static void rules_of_streams(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;

	put_version(&s, 4, "even");
	put_version(&s, 5, "five");
	put_version(&s, 5, "again");
	put_version(&s, 3, "back");
	put_version(&s, 0xffffffff, "last");
	put_version(&s, 7, "beyond");
	raw_send(f, &s);
	expect_status(f, 4, TTRPC_INVALID_ARGUMENT,
		      "StreamID must be odd for client initiated streams");
	expect_version(f, 5, "five");
	for (uint32_t stream = 5; stream >= 3; stream -= 2)
		expect_status(f, stream, TTRPC_INVALID_ARGUMENT,
			      "StreamID cannot be re-used and must increment");
	expect_version(f, 0xffffffff, "last");
	expect_status(f, 7, TTRPC_INVALID_ARGUMENT, NULL);
	assert_int_equal(f->versions, 2);
}

/* A stream of many messages is refused once; its data is passed over. */
static void streams_are_refused(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;

	put_write(&s, 1, FRAME_REMOTE_OPEN, 0, NULL);
	put_frame(&s, 1, FRAME_DATA, 0, "abc", 3);
	put_frame(&s, 1, FRAME_DATA, FRAME_REMOTE_CLOSED | FRAME_NO_DATA, NULL, 0);
	put_frame(&s, 9, FRAME_RESPONSE, 0, NULL, 0);
	put_frame(&s, 9, 0x77, 0xff, "later protocol", 14);
	put_write(&s, 3, FRAME_REMOTE_CLOSED, 0, NULL);
	put_version(&s, 5, "on");
	raw_send(f, &s);
	expect_status(f, 1, TTRPC_UNIMPLEMENTED, "method WriteStdin does not take a stream");
	expect_version(f, 5, "on");
	assert_int_equal(f->n_kept, 1); /* no more data to come: as good as unary */
}

static void what_does_not_exist(void **state)
{
	struct fixture *f = *state;
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	auto_str struct str s = STR_INIT;

	put_request(&s, 1, 0, "no.Such", "Version", &req.base, 0, NULL);
	put_request(&s, 3, 0, "grpc.Health", "NoSuch", &req.base, 0, NULL);
	put_request(&s, 5, 0, "grpc.AgentService", "PauseContainer", &req.base, 0, NULL);
	put_request(&s, 7, 0, "", "", &req.base, 0, NULL);
	raw_send(f, &s);
	expect_status(f, 1, TTRPC_UNIMPLEMENTED, "service no.Such");
	expect_status(f, 3, TTRPC_UNIMPLEMENTED, "method NoSuch");
	expect_status(f, 5, TTRPC_UNIMPLEMENTED, "method PauseContainer");
	expect_status(f, 7, TTRPC_UNIMPLEMENTED, "service ");
}

static void what_is_no_message(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;

	put_frame(&s, 1, FRAME_REQUEST, 0, "\xff\xff\xff", 3);
	put_frame(&s, 3, FRAME_REQUEST, 0,
		  "\x0a\x0bgrpc.Health\x12\x07"
		  "Version\x1a\x02\x0a\x7f",
		  26);
	put_frame(&s, 5, FRAME_REQUEST, 0, NULL, 0);
	put_version(&s, 7, "on");
	raw_send(f, &s);
	expect_status(f, 1, TTRPC_INVALID_ARGUMENT, NULL);
	expect_status(f, 3, TTRPC_INVALID_ARGUMENT,
		      "grpc.Health/Version: the request is no valid grpc.CheckRequest");
	expect_status(f, 5, TTRPC_UNIMPLEMENTED, "service ");
	expect_version(f, 7, "on");
}

static void too_long_a_message(void **state)
{
	struct fixture *f = *state;
	auto_free uint8_t *data = xcalloc(1, TTRPC_DATA_MAX + 1);
	auto_str struct str s = STR_INIT;

	put_frame(&s, 1, FRAME_REQUEST, 0, data, TTRPC_DATA_MAX + 1);
	put_version(&s, 3, "on");
	raw_send(f, &s);
	expect_status(f, 1, TTRPC_RESOURCE_EXHAUSTED,
		      "message length 4194305 exceed maximum message size of 4194304");
	expect_version(f, 3, "on");
}

static void garbage_does_no_harm(void **state)
{
	struct fixture *f = *state;
	uint32_t seed = 7;

	for (int round = 0; round < 100; round++) {
		auto_str struct str s = STR_INIT;

		close_fd(&f->raw);
		f->raw = serve_pair(f);
		for (int i = 0; i < 400; i++) {
			seed = seed * 1664525 + 1013904223;
			str_putc(&s,
				 (seed >> 16) % 3 ? (char)((seed >> 18) % 4) : (char)(seed >> 24));
		}
		raw_send(f, &s);
	}
	close_fd(&f->raw);
	while (ttrpc_server_connections(f->srv) > 0)
		assert_int_equal(loop_step(f->loop, 1000), 0);
	f->raw = serve_pair(f);
	auto_str struct str s = STR_INIT;

	put_version(&s, 1, "on");
	raw_send(f, &s);
	expect_version(f, 1, "on");
}

static void deadline_of_the_caller(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;

	put_write(&s, 1, 0, 1, NULL);
	put_write(&s, 3, 0, -1, NULL);
	put_write(&s, 5, 0, INT64_MAX, NULL);
	put_write(&s, 7, 0, 0, NULL);
	raw_send(f, &s);
	expect_status(f, 3, TTRPC_DEADLINE_EXCEEDED, NULL);
	expect_status(f, 1, TTRPC_DEADLINE_EXCEEDED, NULL);
	run_until_count(f, &f->cancelled, 1);
	assert_int_equal(f->n_kept, 3);
	assert_int_equal(ttrpc_call_time_left(f->kept[0]), 0);
	assert_true(ttrpc_call_time_left(f->kept[1]) > 1000000);
	assert_int_equal(ttrpc_call_time_left(f->kept[2]), -1);

	answer_kept(f, 0, 1); /* the caller was told something else already */
	str_free(&s);
	put_version(&s, 9, "next");
	raw_send(f, &s);
	expect_version(f, 9, "next");

	close_fd(&f->raw);
	run_until_count(f, &f->cancelled, 3);
	assert_int_equal(ttrpc_server_connections(f->srv), 0);
	for (size_t i = 1; i < 3; i++)
		answer_kept(f, i, 1); /* nobody is left to hear them */
	assert_int_equal(f->cancelled, 3);
}

static void too_many_calls(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;

	for (uint32_t i = 0; i <= TTRPC_CALLS_MAX; i++)
		put_write(&s, 2 * i + 1, 0, 0, NULL);
	raw_send(f, &s);
	expect_status(f, 2 * TTRPC_CALLS_MAX + 1, TTRPC_RESOURCE_EXHAUSTED, NULL);
	assert_int_equal(f->n_kept, TTRPC_CALLS_MAX);
	answer_kept(f, 0, 1);
	str_free(&s);
	put_version(&s, 2 * TTRPC_CALLS_MAX + 3, "room again");
	raw_send(f, &s);
	for (int i = 0; i < 2; i++) {
		Ttrpc__Response *rsp;

		raw_response(f, &rsp);
		assert_null(rsp->status);
		ttrpc__response__free_unpacked(rsp, NULL);
	}
}

/* A peer that asks and asks and never reads is closed, not stored for ever. */
static void peer_that_does_not_read(void **state)
{
	struct fixture *f = *state;
	Grpc__ReadStreamRequest req = GRPC__READ_STREAM_REQUEST__INIT;
	struct result r = { 0 };

	req.len = TTRPC_DATA_MAX / 2;
	for (uint32_t i = 0; i < 20; i++) {
		auto_str struct str s = STR_INIT;

		put_request(&s, 2 * i + 1, 0, "grpc.AgentService", "ReadStdout", &req.base, 0,
			    NULL);
		if (send(f->raw, s.data, s.len, MSG_NOSIGNAL) < 0)
			break;
		assert_int_equal(loop_step(f->loop, 10), 0);
	}
	expect_closed(f);
	assert_int_equal(ttrpc_server_connections(f->srv), 0);

	f->client = ttrpc_client_new(f->loop, serve_pair(f), NULL, NULL);
	call_version(f, "others", 0, &r);
	run_until(f, &r.done);
	assert_string_equal(r.text, "others");
}

/* SIGPIPE would end the process. */
static void peer_closed_before_the_answer(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;

	put_write(&s, 1, 0, 0, NULL);
	put_version(&s, 3, "x");
	raw_send(f, &s);
	run_until_kept(f, 1);
	close_fd(&f->raw);
	answer_kept(f, 0, 1); /* the server has not seen the end yet */
	while (ttrpc_server_connections(f->srv) > 0)
		assert_int_equal(loop_step(f->loop, 1000), 0);
	assert_int_equal(f->cancelled, 0);
}

/* ---- descriptors ------------------------------------------------------------------ */

static void send_with(struct fixture *f, const struct str *s, const int *fds, size_t n)
{
	assert_int_equal(fd_send(f->raw, s->data, s->len, fds, n), s->len);
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_step(f->loop, 1), 0);
}

static void passes_descriptors(void **state)
{
	struct fixture *f = *state;
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;
	unsigned int before = open_fds();
	struct result r = { 0 };
	int p[2], fd;
	char c;

	f->client = ttrpc_client_new(f->loop, serve_pair(f), NULL, NULL);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	ttrpc_client_call_fds(f->client, &grpc__agent_service__descriptor, "WriteStdin", &req.base,
			      p, 2, 0, on_result, &r);
	close(p[1]); /* the call has its own */
	run_until_kept(f, 1);
	assert_int_equal(ttrpc_call_fds(f->kept[0]), 2);
	fd = ttrpc_call_take_fd(f->kept[0], 1);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(ttrpc_call_take_fd(f->kept[0], 1), -1);
	assert_int_equal(ttrpc_call_take_fd(f->kept[0], 2), -1);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(p[0], &c, 1), 1);
	answer_kept(f, 0, 1);
	run_until(f, &r.done);
	close(fd);
	assert_int_equal(read(p[0], &c, 1), 0); /* nobody else holds the other end */
	close(p[0]);
	ttrpc_client_free(f->client);
	f->client = NULL;
	while (ttrpc_server_connections(f->srv) > 1)
		assert_int_equal(loop_step(f->loop, 1000), 0);
	assert_int_equal(open_fds(), before);
}

/* Each request gets its own, also behind others and through a full socket. */
static void descriptors_keep_their_place(void **state)
{
	enum { N = 40 };
	struct fixture *f = *state;
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;
	auto_free uint8_t *data = xcalloc(1, 100000);
	struct result r[N] = { 0 };
	int p[N][2];

	f->client = ttrpc_client_new(f->loop, serve_pair(f), NULL, NULL);
	req.data.data = data;
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(pipe2(p[i], O_CLOEXEC), 0);
		req.data.len = i % 3 == 0 ? 100000 : i;
		ttrpc_client_call_fds(f->client, &grpc__agent_service__descriptor, "WriteStdin",
				      &req.base, &p[i][1], i % 2, 0, on_result, &r[i]);
	}
	run_until_kept(f, N);
	for (size_t i = 0; i < N; i++) {
		char c = 0;

		assert_int_equal(ttrpc_call_fds(f->kept[i]), i % 2);
		if (i % 2) {
			int fd = ttrpc_call_take_fd(f->kept[i], 0);

			assert_int_equal(write(fd, "y", 1), 1);
			assert_int_equal(read(p[i][0], &c, 1), 1);
			assert_int_equal(c, 'y');
			close(fd);
		}
		close(p[i][0]);
		close(p[i][1]);
	}
}

static void descriptors_nobody_claims(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;
	unsigned int before = open_fds();
	int fds[TTRPC_FDS_MAX];

	for (size_t i = 0; i < TTRPC_FDS_MAX; i++)
		fds[i] = f->raw;
	put_write(&s, 1, 0, 0, NULL);
	send_with(f, &s, fds, 3);
	run_until_kept(f, 1);
	assert_int_equal(ttrpc_call_fds(f->kept[0]), 0);
	assert_int_equal(open_fds(), before);

	/* by a call that is refused, and by one that is answered without taking them */
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;

	str_free(&s);
	put_request(&s, 3, 0, "grpc.Health", "NoSuch", &req.base, 0, "2");
	send_with(f, &s, fds, 2);
	expect_status(f, 3, TTRPC_UNIMPLEMENTED, NULL);
	assert_int_equal(open_fds(), before);
	str_free(&s);
	put_write(&s, 5, 0, 0, "8");
	send_with(f, &s, fds, 8);
	run_until_kept(f, 2);
	assert_int_equal(ttrpc_call_fds(f->kept[1]), 8);
	assert_int_equal(open_fds(), before + 8);
	answer_kept(f, 1, 1);
	assert_int_equal(open_fds(), before);
}

static void descriptors_wrongly_announced(void **state)
{
	static const char *const bad[] = { "9", "-1", "x", "", "99999999999999999999" };
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;
	unsigned int before = open_fds();
	uint32_t stream = 1;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++, stream += 2) {
		str_free(&s);
		put_write(&s, stream, 0, 0, bad[i]);
		send_with(f, &s, &f->raw, 1);
		expect_status(f, stream, TTRPC_INVALID_ARGUMENT,
			      "metadata kata-fds: not a number up to 8");
	}
	str_free(&s);
	put_write(&s, stream, 0, 0, "2");
	send_with(f, &s, &f->raw, 1);
	expect_status(f, stream, TTRPC_INVALID_ARGUMENT,
		      "metadata kata-fds: 2 descriptors announced, 1 came");
	assert_int_equal(open_fds(), before);
	assert_int_equal(f->n_kept, 0);
}

/* More than any frame may carry, on the bytes of one that never ends. */
static void too_many_descriptors(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;
	unsigned int before = open_fds();
	int fds[FD_PASS_MAX];

	for (size_t i = 0; i < FD_PASS_MAX; i++)
		fds[i] = f->raw;
	put_version(&s, 1, "x");
	for (size_t i = 0; i < 2; i++) {
		if (fd_send(f->raw, s.data + i, 1, fds, FD_PASS_MAX) < 0)
			break;
		assert_int_equal(loop_step(f->loop, 10), 0);
	}
	expect_closed(f);
	assert_int_equal(open_fds(), before - 1); /* the server's end */
}

static void only_unix_sockets_carry_them(void **state)
{
	struct fixture *f = *state;
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct result r[2] = { 0 };
	int fds[TTRPC_FDS_MAX + 1] = { 0 }, master, slave;

	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	f->client = ttrpc_client_new(f->loop, master, NULL, NULL);
	ttrpc_client_call_fds(f->client, &grpc__agent_service__descriptor, "WriteStdin", &req.base,
			      fds, 1, 0, on_result, &r[0]);
	run_until(f, &r[0].done);
	assert_int_equal(r[0].code, -EOPNOTSUPP);
	ttrpc_client_call_fds(f->client, &grpc__agent_service__descriptor, "WriteStdin", &req.base,
			      fds, TTRPC_FDS_MAX + 1, 0, on_result, &r[1]);
	run_until(f, &r[1].done);
	assert_int_equal(r[1].code, -EINVAL);
	close(slave);
}

/* ---- listening ---------------------------------------------------------------------- */

static void listens(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct result r = { 0 };
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "@ttrpc-test-%d", (int)getpid());
	fd = unix_listen(name, 8, &err);
	assert_true(fd >= 0);
	assert_int_equal(ttrpc_server_listen(f->srv, fd), 0);
	for (int i = 0; i < 3; i++) {
		fd = unix_connect(name, true, &err);
		assert_true(fd >= 0);
		ttrpc_client_free(f->client);
		f->client = ttrpc_client_new(f->loop, fd, NULL, NULL);
		r.done = false;
		call_version(f, "heard", 1000, &r);
		run_until(f, &r.done);
		assert_string_equal(r.text, "heard");
	}
	ttrpc_server_free(f->srv);
	f->srv = NULL;
	assert_int_equal(unix_connect(name, true, &err), -ECONNREFUSED);
}

static void refuses_what_is_no_stream(void **state)
{
	struct fixture *f = *state;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ttrpc_server_serve(f->srv, fd), -EPERM);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* taken over all the same */
	assert_int_equal(ttrpc_server_serve(f->srv, -1), -EBADF);
	assert_int_equal(ttrpc_server_listen(f->srv, -1), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup_raw, teardown)
		T(bytes_of_another_client),
		T(requests_split_anywhere),
		T(many_requests_in_one_write),
		T(rules_of_streams),
		T(streams_are_refused),
		T(what_does_not_exist),
		T(what_is_no_message),
		T(too_long_a_message),
		T(garbage_does_no_harm),
		T(deadline_of_the_caller),
		T(too_many_calls),
		T(peer_that_does_not_read),
		T(peer_closed_before_the_answer),
		T(passes_descriptors),
		T(descriptors_keep_their_place),
		T(descriptors_nobody_claims),
		T(descriptors_wrongly_announced),
		T(too_many_descriptors),
		T(only_unix_sockets_carry_them),
		T(listens),
		T(refuses_what_is_no_stream),
#undef T
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
