/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output that waits for its reader: the newest bytes of it, in a ring. What is written
 * beyond them takes the place of the oldest.
 */
#ifndef VMM_VIRTIO_BACKLOG_H
#define VMM_VIRTIO_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define BACKLOG_BYTES (64 << 10)

struct backlog {
	uint8_t bytes[BACKLOG_BYTES];
	size_t start, len;
};

/* Add @len bytes; false when bytes that waited were written over. */
bool backlog_add(struct backlog *b, const uint8_t *data, size_t len);
/* Where what waits lies, the oldest first: up to two pieces, valid until the next call. */
unsigned backlog_look(struct backlog *b, struct iovec iov[2]);
/* The @n oldest bytes, at most all, have gone. */
void backlog_drop(struct backlog *b, size_t n);

#endif
