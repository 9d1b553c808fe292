/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that no client would send: all methods of the agent, with fields
 * missing, odd or much too large, and with bytes that are no message at all.
 * The agent has to answer each of them and live on. The same seed sends the same.
 *
 * Nothing in here names a file, device or link that exists, and what ends the
 * agent is not sent.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "proto/agent.pb-c.h"
#include "proto/ttrpc.pb-c.h"
#include "ttrpc/ttrpc.h"

#define WAIT_MS	  100 /* what a request that waits for an event gets */
#define ANSWER_MS 20000
#define DEPTH_MAX 6
#define HEADER	  10
#define RESPONSE  2

static const char *const words[] = {
	"",	    "c1",	 "e1",	       "x",
	"sh",	    "mount",	 "pid",	       "tmpfs",
	"bind",	    "ephemeral", "local",      "/proc/nonexistent",
	"../..",    "\xff\xfe",	 "10.0.0.1/8", "02:42:ac:11:00:05",
	"CAP_KILL", "kata.x=y",	 "%s%n",       "\"",
};

static void put_varint(struct str *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		str_putc(out, (char)(v | 0x80));
	str_putc(out, (char)v);
}

static void put_bytes(struct str *out, const void *data, size_t len)
{
	put_varint(out, len);
	str_add(out, data, len);
}

static uint64_t odd_number(void)
{
	static const uint64_t odd[] = { 0,	    1,		2,	    9,	       15,
					0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX };
	long r = random();

	return r % 4 ? odd[(size_t)(r / 4) % ARRAY_SIZE(odd)] : (uint64_t)r;
}

static void put_text(struct str *out)
{
	auto_free char *large = NULL;
	const char *word = words[(size_t)random() % ARRAY_SIZE(words)];

	if (random() % 50 == 0) {
		large = xmalloc(100000);
		memset(large, '/', 100000);
		put_bytes(out, large, 100000);
		return;
	}
	put_bytes(out, word, strlen(word));
}

static void put_message(struct str *out, const ProtobufCMessageDescriptor *d, int depth);

static void put_field(struct str *out, const ProtobufCFieldDescriptor *f, int depth)
{
	auto_str struct str inner = STR_INIT;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
		put_varint(out, f->id << 3 | 2);
		put_text(out);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		put_message(&inner, f->descriptor, depth + 1);
		put_varint(out, f->id << 3 | 2);
		put_bytes(out, str_text(&inner), inner.len);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_FIXED64:
		put_varint(out, f->id << 3 | 1);
		str_add(out, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8);
		break;
	default:
		put_varint(out, f->id << 3);
		put_varint(out, odd_number());
	}
}

static void put_message(struct str *out, const ProtobufCMessageDescriptor *d, int depth)
{
	for (unsigned i = 0; depth < DEPTH_MAX && i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		long times = random() % 3; /* also more than once what is there once */

		/* Most requests are to get far. */
		if (!strcmp(f->name, "container_id") || !strcmp(f->name, "exec_id")) {
			put_varint(out, f->id << 3 | 2);
			put_bytes(out, random() % 2 ? "c1" : "e1", 2);
			times = random() % 8 ? 0 : 1;
		}
		while (times-- > 0)
			put_field(out, f, depth);
	}
	/* A few are cut or hold a bit that is not theirs. */
	if (out->len > 0 && random() % 20 == 0)
		out->data[(size_t)random() % out->len] ^= (char)(1 << random() % 8);
	if (out->len > 1 && random() % 20 == 0)
		out->len -= 1;
}

static int send_request(int sock, uint32_t stream, const char *service, const char *method,
			const struct str *payload)
{
	Ttrpc__Request req = TTRPC__REQUEST__INIT;
	auto_free uint8_t *frame = NULL;
	size_t len;

	req.service = (char *)service;
	req.method = (char *)method;
	req.timeout_nano = WAIT_MS * 1000000;
	req.payload.data = (uint8_t *)payload->data;
	req.payload.len = payload->len;
	len = ttrpc__request__get_packed_size(&req);
	frame = xmalloc(HEADER + len);
	for (int i = 0; i < 4; i++) {
		frame[i] = (uint8_t)(len >> (24 - 8 * i));
		frame[4 + i] = (uint8_t)(stream >> (24 - 8 * i));
	}
	frame[8] = 1; /* a request */
	frame[9] = 0;
	ttrpc__request__pack(&req, frame + HEADER);
	return fd_write_full(sock, frame, HEADER + len);
}

/* The answer to @stream: within the limit, and nothing else. */
static int await_answer(int sock, uint32_t stream)
{
	auto_free uint8_t *data = NULL;
	uint8_t h[HEADER];
	size_t len;
	int r = fd_poll(sock, POLLIN, ANSWER_MS);

	if (r <= 0)
		return r < 0 ? r : -ETIMEDOUT;
	r = fd_read_full(sock, h, sizeof(h));
	if (r < 0)
		return r;
	len = (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
	if (len > TTRPC_DATA_MAX || h[8] != RESPONSE ||
	    ((uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7]) != stream)
		return -EPROTO;
	data = xmalloc(len + 1);
	return fd_read_full(sock, data, len);
}

int main(int argc, char **argv)
{
	const ProtobufCServiceDescriptor *s = &grpc__agent_service__descriptor;
	long rounds = argc == 4 ? atol(argv[3]) : 0;
	int sock, r = 0;

	if (rounds <= 0) {
		fputs("usage: agent-smoke SOCKET SEED ROUNDS\n", stderr);
		return EXIT_FAILURE;
	}
	srandom((unsigned)atol(argv[2]));
	sock = unix_connect(argv[1], false, NULL);
	for (long i = 0; r == 0 && sock >= 0 && i < rounds; i++) {
		const ProtobufCMethodDescriptor *m = &s->methods[(size_t)random() % s->n_methods];
		auto_str struct str payload = STR_INIT;

		if (!strcmp(m->name, "DestroySandbox"))
			continue;
		put_message(&payload, m->input, 0);
		r = send_request(sock, (uint32_t)(2 * i + 1), "grpc.AgentService", m->name,
				 &payload);
		if (r == 0)
			r = await_answer(sock, (uint32_t)(2 * i + 1));
		if (r < 0)
			fprintf(stderr, "agent-smoke: round %ld, %s: %s\n", i, m->name,
				strerror(-r));
	}
	if (sock < 0)
		fprintf(stderr, "agent-smoke: %s: %s\n", argv[1], strerror(-sock));
	return r < 0 || sock < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
