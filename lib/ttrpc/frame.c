/* SPDX-License-Identifier: Apache-2.0 */
#include "ttrpc/frame.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "ttrpc/ttrpc.h"

#define ROOM_MIN 4096		/* read at least this much at once … */
#define CAP_MIN	 (4 * ROOM_MIN) /* … into a buffer of at least this size */
#define CAP_KEEP (64 * 1024)	/* an empty buffer above this is released */

static void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void frame_encode(uint8_t *out, const struct frame_header *h)
{
	put_be32(out, h->length);
	put_be32(out + 4, h->stream);
	out[8] = h->type;
	out[9] = h->flags;
}

void frame_decode(const uint8_t *in, struct frame_header *h)
{
	h->length = get_be32(in);
	h->stream = get_be32(in + 4);
	h->type = in[8];
	h->flags = in[9];
}

/* The size that the buffer should grow to: double, but not beyond the frame at hand. */
static size_t grown(const struct frame_parser *p, size_t have)
{
	size_t cap = p->cap < CAP_MIN ? CAP_MIN : p->cap * 2;
	struct frame_header h;

	if (have < TTRPC_HEADER_LEN)
		return cap;
	frame_decode(p->buf, &h);
	if (h.length <= TTRPC_DATA_MAX && cap > h.length + TTRPC_HEADER_LEN + ROOM_MIN)
		cap = h.length + TTRPC_HEADER_LEN + ROOM_MIN;
	return cap > p->cap ? cap : p->cap + ROOM_MIN;
}

uint8_t *frame_room(struct frame_parser *p, size_t *room)
{
	size_t have = p->end - p->start;

	if (have == 0 && p->cap > CAP_KEEP) {
		free(p->buf);
		p->buf = NULL;
		p->cap = 0;
	}
	if (p->start > 0 && (have == 0 || p->cap - p->end < ROOM_MIN)) {
		memmove(p->buf, p->buf + p->start, have);
		p->start = 0;
		p->end = have;
	}
	if (p->cap - p->end < ROOM_MIN) {
		p->cap = grown(p, have);
		p->buf = xrealloc(p->buf, p->cap);
	}
	*room = p->cap - p->end;
	return p->buf + p->end;
}

void frame_filled(struct frame_parser *p, size_t n)
{
	p->end += n;
}

void frame_drop(struct frame_parser *p, size_t n)
{
	p->start += n;
	p->taken += n;
	if (p->start == p->end)
		p->start = p->end = 0;
}

static void skip(struct frame_parser *p)
{
	size_t have = p->end - p->start;
	size_t n = p->skip < have ? (size_t)p->skip : have;

	p->skip -= n;
	frame_drop(p, n);
}

bool frame_next(struct frame_parser *p, struct frame *f)
{
	const uint8_t *at;
	size_t have;

	skip(p);
	have = p->end - p->start;
	if (have < TTRPC_HEADER_LEN)
		return false;
	at = p->buf + p->start;
	frame_decode(at, &f->head);
	f->too_long = f->head.length > TTRPC_DATA_MAX;
	f->data = NULL;
	if (f->too_long) {
		p->skip = f->head.length;
		frame_drop(p, TTRPC_HEADER_LEN);
		return true;
	}
	if (have - TTRPC_HEADER_LEN < f->head.length)
		return false;
	f->data = at + TTRPC_HEADER_LEN;
	frame_drop(p, TTRPC_HEADER_LEN + f->head.length);
	return true;
}

const uint8_t *frame_peek(const struct frame_parser *p, size_t *len)
{
	*len = p->end - p->start;
	return p->buf ? p->buf + p->start : NULL;
}

bool frame_partial(const struct frame_parser *p)
{
	return p->skip > 0 || p->end > p->start;
}

void frame_reset(struct frame_parser *p)
{
	free(p->buf);
	memset(p, 0, sizeof(*p));
}
