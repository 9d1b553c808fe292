/* SPDX-License-Identifier: Apache-2.0 */
#include "ttrpc/out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "proto/ttrpc.pb-c.h"

#define MESSAGE_MAX (64 * 1024)
#define WIRE_BYTES  2 /* protobuf's wire type of a field with a length */

struct out *out_new(size_t len)
{
	struct out *o = xmalloc(sizeof(*o) + len);

	memset(o, 0, sizeof(*o));
	list_init(&o->link);
	o->len = len;
	return o;
}

void out_free(struct out *o)
{
	if (!o)
		return;
	list_del(&o->link);
	for (size_t i = 0; i < o->nfds; i++)
		close_fd(&o->fds[i]);
	free(o);
}

static size_t varint(uint8_t *p, size_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	return n;
}

/*
 * Packing the payload as a field of the envelope would need it packed before.
 * Fields may come in any order, so it goes last, straight into the frame.
 */
struct out *out_frame(uint32_t stream, enum frame_type type, const ProtobufCMessage *envelope,
		      unsigned int field, const ProtobufCMessage *payload)
{
	size_t outer = protobuf_c_message_get_packed_size(envelope);
	size_t inner = payload ? protobuf_c_message_get_packed_size(payload) : 0;
	struct frame_header h = { .stream = stream, .type = type };
	uint8_t tag[1 + 10];
	size_t tag_len = 0;
	struct out *o;
	uint8_t *p;

	if (inner > 0) {
		tag[0] = (uint8_t)(field << 3 | WIRE_BYTES);
		tag_len = 1 + varint(tag + 1, inner);
	}
	if (outer > TTRPC_DATA_MAX || inner > TTRPC_DATA_MAX ||
	    outer + tag_len + inner > TTRPC_DATA_MAX)
		return NULL;
	h.length = (uint32_t)(outer + tag_len + inner);
	o = out_new(TTRPC_HEADER_LEN + h.length);
	frame_encode(o->data, &h);
	p = o->data + TTRPC_HEADER_LEN;
	p += protobuf_c_message_pack(envelope, p);
	if (inner > 0) {
		memcpy(p, tag, tag_len);
		protobuf_c_message_pack(payload, p + tag_len);
	}
	return o;
}

/* The length of the UTF-8 character at @s, 0 when it is none (RFC 3629). */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (s[0] > 0xf4 || (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

static char *utf8_copy(const char *s)
{
	char *text = xstrndup(s, MESSAGE_MAX);
	unsigned char *p = (unsigned char *)text;

	while (*p) {
		size_t n = utf8_len(p);

		if (n == 0)
			*p = '?';
		p += n ? n : 1;
	}
	return text;
}

struct out *out_status(uint32_t stream, enum ttrpc_code code, const char *message)
{
	auto_free char *text = utf8_copy(message);
	Ttrpc__Response rsp = TTRPC__RESPONSE__INIT;
	Ttrpc__Status status = TTRPC__STATUS__INIT;

	status.code = (int)code;
	status.message = text;
	rsp.status = &status;
	return out_frame(stream, FRAME_RESPONSE, &rsp.base, 0, NULL);
}

int out_attach(struct out *o, const int *fds, size_t n)
{
	if (n > TTRPC_FDS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return -errno;
		o->fds[o->nfds++] = fd;
	}
	return 0;
}
