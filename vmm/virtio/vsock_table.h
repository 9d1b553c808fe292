/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All streams of one device: found by their two ports, bounded in number and in the
 * memory that they may make wait.
 *
 * A stream that only lingers (one side is gone, the other has not yet taken what it was
 * sent) makes room when the table is full, the one that lingers longest first.
 */
#ifndef VMM_VIRTIO_VSOCK_TABLE_H
#define VMM_VIRTIO_VSOCK_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "vmm/virtio/vsock_stream.h"

#define VSOCK_STREAMS_MAX 4096

/*
 * Every stream may have ROOM_MIN bytes waiting, and more out of a pool as long as there
 * is something in it: a sixteenth of what is left, up to ROOM_MAX together.
 */
#define VSOCK_ROOM_MIN	(16U << 10)
#define VSOCK_ROOM_MAX	(256U << 10)
#define VSOCK_ROOM_POOL (32U << 20)

/* Host ports of streams that the host begins: from here on, so they meet no service. */
#define VSOCK_HOST_PORT_MIN (1U << 30)

#define VSOCK_BUCKETS 1024

struct vsock_table {
	struct vsock_stream *bucket[VSOCK_BUCKETS];
	/* Each stream is in one; the first of @setup has the nearest deadline. */
	struct list setup, open, lingering;
	unsigned n;
	uint32_t pool; /* bytes of it that no stream has */
	uint32_t next_port;
};

void vsock_table_init(struct vsock_table *t);

/* Can there be one more stream, maybe at the cost of one that lingers? */
bool vsock_table_has_room(const struct vsock_table *t);

/* A new stream, in @setup, not hashed; NULL when there can be none. */
struct vsock_stream *vsock_table_add(struct vsock_table *t);

/* The caller gives ports that no other stream has. */
void vsock_table_hash(struct vsock_table *t, struct vsock_stream *s, uint32_t host_port,
		      uint32_t guest_port);
/* Its ports may be used again. Allowed twice. */
void vsock_table_unhash(struct vsock_table *t, struct vsock_stream *s);

struct vsock_stream *vsock_table_find(const struct vsock_table *t, uint32_t host_port,
				      uint32_t guest_port);

/* A host port that no stream to @guest_port has. */
uint32_t vsock_table_free_port(struct vsock_table *t, uint32_t guest_port);

/* It is set up; it only lingers. */
void vsock_table_opened(struct vsock_table *t, struct vsock_stream *s);
void vsock_table_linger(struct vsock_table *t, struct vsock_stream *s);

/* Bytes of all streams that wait for the host's side. */
uint32_t vsock_table_waiting(const struct vsock_table *t);

/* Close and free. */
void vsock_table_drop(struct vsock_table *t, struct vsock_stream *s);
void vsock_table_clear(struct vsock_table *t);

#endif
