/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "wire.h"

#define HEADER	8
#define RESERVE 4096 /* for small frames when there is no room for a full one */

void wire_init(struct wire *w, int fd)
{
	w->fd = fd;
	w->in = w->in_used = w->out = w->out_done = 0;
}

bool wire_room(const struct wire *w)
{
	return sizeof(w->outbuf) - w->out >= HEADER + WIRE_MAX + RESERVE;
}

bool wire_pending(const struct wire *w)
{
	return w->out > w->out_done;
}

void wire_put(struct wire *w, enum wire_type type, const void *data, size_t size)
{
	uint32_t header[2] = { type, (uint32_t)size };

	if (sizeof(w->outbuf) - w->out < HEADER + size) {
		memmove(w->outbuf, w->outbuf + w->out_done, w->out - w->out_done);
		w->out -= w->out_done;
		w->out_done = 0;
	}
	/* Only a sign of life is ever put without asking for room: it may be lost. */
	if (sizeof(w->outbuf) - w->out < HEADER + size)
		return;
	memcpy(w->outbuf + w->out, header, HEADER);
	if (size)
		memcpy(w->outbuf + w->out + HEADER, data, size);
	w->out += HEADER + size;
}

void wire_put_u32(struct wire *w, enum wire_type type, uint32_t value)
{
	wire_put(w, type, &value, sizeof(value));
}

uint32_t wire_u32(const struct wire_frame *f, size_t index)
{
	uint32_t value = 0;

	if (f->size >= (index + 1) * sizeof(value))
		memcpy(&value, f->data + index * sizeof(value), sizeof(value));
	return value;
}

int wire_flush(struct wire *w)
{
	while (wire_pending(w)) {
		ssize_t n = write(w->fd, w->outbuf + w->out_done, w->out - w->out_done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno != EAGAIN ? -errno : 0;
		w->out_done += (size_t)n;
	}
	w->out = w->out_done = 0;
	return 0;
}

int wire_fill(struct wire *w)
{
	ssize_t n;

	memmove(w->inbuf, w->inbuf + w->in_used, w->in - w->in_used);
	w->in -= w->in_used;
	w->in_used = 0;
	do
		n = read(w->fd, w->inbuf + w->in, sizeof(w->inbuf) - w->in);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	w->in += (size_t)n;
	return n ? (int)n : -EPIPE;
}

int wire_next(struct wire *w, struct wire_frame *f)
{
	uint32_t header[2];

	if (w->in - w->in_used < HEADER)
		return 0;
	memcpy(header, w->inbuf + w->in_used, HEADER);
	if (header[0] < WIRE_BEAT || header[0] >= WIRE_TYPES || header[1] > WIRE_MAX)
		return -EPROTO;
	if (w->in - w->in_used < HEADER + header[1])
		return 0;
	*f = (struct wire_frame){ header[0], header[1], w->inbuf + w->in_used + HEADER };
	w->in_used += HEADER + header[1];
	return 1;
}
