/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"

static void version(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__CheckRequest *req = (const Grpc__CheckRequest *)msg;
	Grpc__VersionCheckResponse rsp = GRPC__VERSION_CHECK_RESPONSE__INIT;
	struct fixture *f = ctx;

	f->versions++;
	rsp.grpc_version = req->service;
	rsp.agent_version = req->service;
	if (f->free_server) {
		ttrpc_server_free(f->srv);
		f->srv = NULL;
	}
	ttrpc_reply(call, &rsp.base);
}

static void check(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)msg;
	(void)ctx;
	ttrpc_fail(call, TTRPC_FAILED_PRECONDITION, "%s: bad \xff\xc3( bytes, good \xc3\xa9",
		   ttrpc_call_name(call));
}

static void on_cancel(struct ttrpc_call *call, void *arg)
{
	struct fixture *f = arg;

	f->cancelled++;
	if (f->cancel_fails && f->cancel_fails != call) {
		for (size_t i = 0; i < f->n_kept; i++) {
			if (f->kept[i] == f->cancel_fails)
				f->kept[i] = NULL;
		}
		ttrpc_fail(take_ptr(f->cancel_fails), TTRPC_ABORTED, "as another one ended");
	}
	if (f->free_server) {
		ttrpc_server_free(f->srv);
		f->srv = NULL;
	}
}

static void keep(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	struct fixture *f = ctx;

	(void)msg;
	assert_true(f->n_kept < KEPT_MAX);
	f->kept[f->n_kept++] = call;
	ttrpc_call_on_cancel(call, on_cancel, f);
}

static void read_stdout(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__ReadStreamRequest *req = (const Grpc__ReadStreamRequest *)msg;
	Grpc__ReadStreamResponse rsp = GRPC__READ_STREAM_RESPONSE__INIT;
	auto_free uint8_t *data = xcalloc(1, (size_t)req->len + 1);

	(void)ctx;
	rsp.data.data = data;
	rsp.data.len = req->len;
	ttrpc_reply(call, &rsp.base);
}

static void wrong_type(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)ctx;
	ttrpc_reply(call, msg);
}

static const struct ttrpc_method health[] = {
	{ "Version", version },
	{ "Check", check },
	{ NULL, NULL },
};

static const struct ttrpc_method agent[] = {
	{ "WriteStdin", keep },
	{ "ReadStdout", read_stdout },
	{ "ReadStderr", wrong_type },
	{ NULL, NULL },
};

int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->loop = loop_new();
	assert_non_null(f->loop);
	f->srv = ttrpc_server_new(f->loop);
	ttrpc_server_add(f->srv, &grpc__health__descriptor, health, f);
	ttrpc_server_add(f->srv, &grpc__agent_service__descriptor, agent, f);
	f->raw = -1;
	*state = f;
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	ttrpc_client_free(f->client);
	ttrpc_server_free(f->srv);
	for (size_t i = 0; i < f->n_kept; i++) {
		if (f->kept[i])
			ttrpc_fail(f->kept[i], TTRPC_CANCELLED, "the test is over");
	}
	close_fd(&f->raw);
	loop_free(f->loop);
	free(f);
	return 0;
}

int serve_pair(struct fixture *f)
{
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	assert_int_equal(ttrpc_server_serve(f->srv, s[0]), 0);
	return s[1];
}

static void step(struct fixture *f, int64_t end)
{
	if (loop_now_ms() >= end)
		fail_msg("nothing came within %d ms", LIMIT_MS);
	assert_int_equal(loop_step(f->loop, 100), 0);
}

void run_until(struct fixture *f, const bool *flag)
{
	int64_t end = loop_now_ms() + LIMIT_MS;

	while (!*flag)
		step(f, end);
}

void run_until_count(struct fixture *f, const unsigned int *count, unsigned int n)
{
	int64_t end = loop_now_ms() + LIMIT_MS;

	while (*count < n)
		step(f, end);
}

void run_until_kept(struct fixture *f, size_t n)
{
	int64_t end = loop_now_ms() + LIMIT_MS;

	while (f->n_kept < n)
		step(f, end);
}

void on_result(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct result *r = arg;

	r->done = true;
	r->calls++;
	if (!rsp) {
		r->code = err->code;
		snprintf(r->text, sizeof(r->text), "%s", err->msg);
	} else if (rsp->descriptor == &grpc__version_check_response__descriptor) {
		snprintf(r->text, sizeof(r->text), "%s",
			 ((const Grpc__VersionCheckResponse *)rsp)->agent_version);
	} else if (rsp->descriptor == &grpc__read_stream_response__descriptor) {
		r->len = ((const Grpc__ReadStreamResponse *)rsp)->data.len;
	} else if (rsp->descriptor == &grpc__write_stream_response__descriptor) {
		r->len = ((const Grpc__WriteStreamResponse *)rsp)->len;
	}
}

struct ttrpc_pending *call_version(struct fixture *f, const char *name, int64_t timeout_ms,
				   struct result *r)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;

	req.service = (char *)name;
	return ttrpc_client_call(f->client, &grpc__health__descriptor, "Version", &req.base,
				 timeout_ms, on_result, r);
}

struct ttrpc_pending *call_write(struct fixture *f, const char *id, int64_t timeout_ms,
				 struct result *r)
{
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;

	req.container_id = (char *)id;
	return ttrpc_client_call(f->client, &grpc__agent_service__descriptor, "WriteStdin",
				 &req.base, timeout_ms, on_result, r);
}

void answer_kept(struct fixture *f, size_t i, uint32_t len)
{
	Grpc__WriteStreamResponse rsp = GRPC__WRITE_STREAM_RESPONSE__INIT;

	rsp.len = len;
	ttrpc_reply(take_ptr(f->kept[i]), &rsp.base);
}

void put_frame(struct str *s, uint32_t stream, uint8_t type, uint8_t flags, const void *data,
	       size_t len)
{
	struct frame_header h = { (uint32_t)len, stream, type, flags };
	uint8_t head[TTRPC_HEADER_LEN];

	frame_encode(head, &h);
	str_add(s, head, sizeof(head));
	str_add(s, data, len);
}

void put_request(struct str *s, uint32_t stream, uint8_t flags, const char *service,
		 const char *method, const ProtobufCMessage *req, int64_t timeout_nano,
		 const char *fds)
{
	auto_free uint8_t *payload = xmalloc(protobuf_c_message_get_packed_size(req) + 1);
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue kv = TTRPC__KEY_VALUE__INIT;
	Ttrpc__KeyValue *metadata[] = { &kv };

	r.service = (char *)service;
	r.method = (char *)method;
	r.payload.data = payload;
	r.payload.len = protobuf_c_message_pack(req, payload);
	r.timeout_nano = timeout_nano;
	kv.key = (char *)"kata-fds";
	kv.value = (char *)fds;
	r.metadata = metadata;
	r.n_metadata = fds ? 1 : 0;
	auto_free uint8_t *data = xmalloc(ttrpc__request__get_packed_size(&r) + 1);

	put_frame(s, stream, FRAME_REQUEST, flags, data, ttrpc__request__pack(&r, data));
}

void put_version(struct str *s, uint32_t stream, const char *name)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;

	req.service = (char *)name;
	put_request(s, stream, 0, "grpc.Health", "Version", &req.base, 0, NULL);
}

void raw_send(struct fixture *f, const struct str *s)
{
	int64_t end = loop_now_ms() + LIMIT_MS;
	size_t done = 0;

	while (done < s->len) {
		ssize_t n = send(f->raw, s->data + done, s->len - done, MSG_DONTWAIT);

		assert_true(n > 0 || (n < 0 && errno == EAGAIN));
		done += n > 0 ? (size_t)n : 0;
		assert_true(loop_now_ms() < end);
		assert_int_equal(loop_step(f->loop, 0), 0);
	}
}

static void raw_read(struct fixture *f, uint8_t *buf, size_t len)
{
	int64_t end = loop_now_ms() + LIMIT_MS;

	while (len > 0) {
		ssize_t n = recv(f->raw, buf, len, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			assert_true(loop_now_ms() < end);
			assert_int_equal(loop_step(f->loop, 10), 0);
			continue;
		}
		if (n <= 0)
			fail_msg("connection closed while waiting for an answer");
		buf += n;
		len -= (size_t)n;
	}
}

uint32_t raw_response(struct fixture *f, Ttrpc__Response **rsp)
{
	uint8_t head[TTRPC_HEADER_LEN];
	struct frame_header h;

	raw_read(f, head, sizeof(head));
	frame_decode(head, &h);
	assert_int_equal(h.type, FRAME_RESPONSE);
	assert_int_equal(h.flags, 0);
	auto_free uint8_t *data = xmalloc(h.length + 1);

	raw_read(f, data, h.length);
	*rsp = ttrpc__response__unpack(NULL, h.length, data);
	assert_non_null(*rsp);
	return h.stream;
}

void expect_status(struct fixture *f, uint32_t stream, int code, const char *message)
{
	Ttrpc__Response *rsp;

	assert_int_equal(raw_response(f, &rsp), stream);
	assert_non_null(rsp->status);
	assert_int_equal(rsp->status->code, code);
	if (message)
		assert_string_equal(rsp->status->message, message);
	ttrpc__response__free_unpacked(rsp, NULL);
}

void expect_version(struct fixture *f, uint32_t stream, const char *name)
{
	Grpc__VersionCheckResponse *v;
	Ttrpc__Response *rsp;

	assert_int_equal(raw_response(f, &rsp), stream);
	assert_null(rsp->status); /* as containerd's own server does for OK */
	v = grpc__version_check_response__unpack(NULL, rsp->payload.len, rsp->payload.data);
	assert_non_null(v);
	assert_string_equal(v->agent_version, name);
	grpc__version_check_response__free_unpacked(v, NULL);
	ttrpc__response__free_unpacked(rsp, NULL);
}

void expect_closed(struct fixture *f)
{
	int64_t end = loop_now_ms() + LIMIT_MS;
	char buf[65536];

	for (;;) {
		ssize_t n = recv(f->raw, buf, sizeof(buf), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return;
		step(f, end);
	}
}

unsigned int open_fds(void)
{
	auto_closedir DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	return n;
}
