/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece of output: one frame with the descriptors that ride on it, or the
 * mark of a serial link. The message is packed once, where it is sent from.
 */
#ifndef TTRPC_OUT_H
#define TTRPC_OUT_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "ttrpc/frame.h"
#include "ttrpc/ttrpc.h"

struct out {
	struct list link;
	size_t len, sent;
	size_t nfds; /* owned */
	int fds[TTRPC_FDS_MAX];
	uint8_t data[];
};

/* Room for @len bytes that the caller fills. */
struct out *out_new(size_t len);

/*
 * A frame of @stream that holds @envelope (ttrpc.Request or ttrpc.Response
 * without payload) followed by @payload (may be NULL) as its bytes field
 * number @field < 16. NULL when that exceeds TTRPC_DATA_MAX.
 */
struct out *out_frame(uint32_t stream, enum frame_type type, const ProtobufCMessage *envelope,
		      unsigned int field, const ProtobufCMessage *payload);

/*
 * A response frame with a status. @message becomes valid UTF-8, as readers of
 * proto3 strings refuse anything else, and is cut where it would not fit.
 */
struct out *out_status(uint32_t stream, enum ttrpc_code code, const char *message);

/* Attach duplicates of @n ≤ TTRPC_FDS_MAX descriptors. 0 or -errno. */
int out_attach(struct out *o, const int *fds, size_t n);

void out_free(struct out *o); /* NULL is allowed */

#endif
