/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/backlog.h"

#include <string.h>

bool backlog_add(struct backlog *b, const uint8_t *data, size_t len)
{
	bool whole = true;

	for (size_t done = 0; done < len;) {
		size_t end = (b->start + b->len) % BACKLOG_BYTES;
		size_t part = BACKLOG_BYTES - end;

		if (part > len - done)
			part = len - done;
		memcpy(b->bytes + end, data + done, part);
		done += part;
		b->len += part;
		if (b->len <= BACKLOG_BYTES)
			continue;
		/* The oldest have been written over. */
		b->start = (b->start + b->len) % BACKLOG_BYTES;
		b->len = BACKLOG_BYTES;
		whole = false;
	}
	return whole;
}

unsigned backlog_look(struct backlog *b, struct iovec iov[2])
{
	size_t first = BACKLOG_BYTES - b->start;

	if (first > b->len)
		first = b->len;
	iov[0] = (struct iovec){ b->bytes + b->start, first };
	iov[1] = (struct iovec){ b->bytes, b->len - first };
	return (first > 0) + (b->len > first);
}

void backlog_drop(struct backlog *b, size_t n)
{
	b->start = (b->start + n) % BACKLOG_BYTES;
	b->len -= n;
}
