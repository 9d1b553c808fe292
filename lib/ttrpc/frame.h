/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of ttrpc (PROTOCOL.md of containerd/ttrpc, "Message Frame"): a header
 * of 10 bytes, big-endian, then the data. The parser is fed with bytes as they
 * come and touches nothing but its own memory.
 */
#ifndef TTRPC_FRAME_H
#define TTRPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_type { FRAME_REQUEST = 1, FRAME_RESPONSE = 2, FRAME_DATA = 3 };

#define FRAME_REMOTE_CLOSED 0x01
#define FRAME_REMOTE_OPEN   0x02
#define FRAME_NO_DATA	    0x04

struct frame_header {
	uint32_t length; /* of the data */
	uint32_t stream;
	uint8_t type; /* enum frame_type, or one that is not known */
	uint8_t flags;
};

struct frame {
	struct frame_header head;
	const uint8_t *data; /* head.length bytes; NULL when too long */
	bool too_long;	     /* longer than TTRPC_DATA_MAX: its data is thrown away */
};

void frame_encode(uint8_t *out, const struct frame_header *h); /* TTRPC_HEADER_LEN bytes */
void frame_decode(const uint8_t *in, struct frame_header *h);

/*
 * A zeroed parser is valid and empty. Its memory follows the bytes that came,
 * never the length that a header claims: at most twice what is buffered.
 */
struct frame_parser {
	uint8_t *buf;
	size_t cap, start, end; /* what is buffered: buf[start, end) */
	uint64_t skip;		/* bytes of a frame that is too long, still to come */
	uint64_t taken;		/* bytes consumed so far */
};

/* Where to read to, and how much (≥ 1 in *@room). Ends the validity of frames' data. */
uint8_t *frame_room(struct frame_parser *p, size_t *room);

/* @n bytes were read to what frame_room() returned. */
void frame_filled(struct frame_parser *p, size_t n);

/* Take the next frame out, valid until frame_room(); false while none is whole. */
bool frame_next(struct frame_parser *p, struct frame *f);

/* What is buffered, without taking it; *@len may be 0. */
const uint8_t *frame_peek(const struct frame_parser *p, size_t *len);

/* Throw away the first @n (≤ what is buffered) bytes. */
void frame_drop(struct frame_parser *p, size_t n);

/* Whether the parser stands inside a frame. */
bool frame_partial(const struct frame_parser *p);

/* Forget all and release the memory; the parser is valid and empty afterwards. */
void frame_reset(struct frame_parser *p);

#endif
