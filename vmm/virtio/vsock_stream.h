/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream between a socket of the guest and a unix socket of the host: its bytes, the
 * credit of both sides (virtio 1.2, section 5.10.6.3) and how each side ends
 * (section 5.10.6.5). It knows nothing of queues and of other streams: it takes what the
 * guest sent and says which packet is due to the guest.
 *
 * Bytes from the host lie in the socket until the guest has credit and buffers, and are
 * read straight into these. Bytes from the guest are written straight from its buffers;
 * only what the socket does not take at once waits here, and never more than the guest
 * was given credit for. So a slow reader stops its own writer and nobody else.
 *
 * The socket is watched edge triggered: @readable and @writable are what was last seen, and
 * only a call that would have blocked takes them back, or one that found less than it asked
 * for. That there is room to write is not listened for until there was none: otherwise each
 * read at the other end would wake us.
 */
#ifndef VMM_VIRTIO_VSOCK_STREAM_H
#define VMM_VIRTIO_VSOCK_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/list.h"
#include "base/loop.h"
#include "vmm/virtio/vsock_packet.h"

/* Bits of *_ended, as on the wire: takes nothing more, sends nothing more. */
#define VSOCK_END_RCV  VIRTIO_VSOCK_SHUTDOWN_RCV
#define VSOCK_END_SEND VIRTIO_VSOCK_SHUTDOWN_SEND
#define VSOCK_END_BOTH (VSOCK_END_RCV | VSOCK_END_SEND)

enum vsock_phase {
	VSOCK_GREETING, /* the host's client has not yet said which port it wants */
	VSOCK_ASKING,	/* REQUEST is due, or the guest has not answered it */
	VSOCK_CALLING,	/* the guest's REQUEST: nobody has answered for the host yet */
	VSOCK_OPEN,
	VSOCK_OVER, /* RST is due, or the guest knows the stream no more */
};

struct vsock_stream {
	enum vsock_phase phase;
	uint32_t host_port, guest_port;

	/* Of the table (vsock_table.h). */
	struct list link;
	struct vsock_stream *next_in_bucket;
	bool hashed;
	int64_t deadline; /* of all that comes before OPEN, as loop_now_ms() */
	void *owner;

	/* Of the muxer: among those that have a packet for the guest. */
	struct list ready;

	int fd; /* the host's socket, non-blocking; -1 when there is none yet, or no more */
	struct loop_source *src;
	bool readable, writable, ending; /* @ending: its end, or an error, is to be read */

	bool owes_request, owes_response, owes_credit, owes_reset;
	uint8_t host_ended, host_told; /* @host_told: what of it the guest knows */
	uint8_t guest_ended;

	/* Towards the guest. All counters wrap, as on the wire. */
	uint32_t sent, peer_alloc, peer_forwarded;
	bool asked_for_credit;
	uint32_t burst; /* how much to read at once: grows while reads are full */

	/* Towards the host. */
	uint32_t room; /* how much may wait */
	uint32_t forwarded, told_forwarded;
	uint8_t *waiting; /* a ring of @room bytes while something waits; otherwise NULL */
	uint32_t waiting_at, waiting_len;
};

/* Room is what the table gave it. */
void vsock_stream_init(struct vsock_stream *s, uint32_t room);

#define VSOCK_STREAM_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

/* Its socket, watched by @src for these events; both are taken over. */
void vsock_stream_attach(struct vsock_stream *s, int fd, struct loop_source *src);

/* Let go of the socket and what waits. Allowed twice. */
void vsock_stream_close(struct vsock_stream *s);

/* What epoll said of the socket. */
void vsock_stream_event(struct vsock_stream *s, uint32_t events);

/* The op of the packet that is due to the guest now; 0: none. */
uint16_t vsock_stream_due(const struct vsock_stream *s);

/* Fill in ports, credit and flags of a packet @op; it counts as told to the guest. */
void vsock_stream_compose(struct vsock_stream *s, uint16_t op, struct vsock_packet *p);

/* What the guest can take now, in bytes. */
uint32_t vsock_stream_credit(const struct vsock_stream *s);

/*
 * Read from the socket into the guest's @len bytes of buffers, at most its credit.
 * Bytes; 0: nothing came, and why not is in @readable and @host_ended.
 */
uint32_t vsock_stream_fill(struct vsock_stream *s, const struct iovec *iov, unsigned n,
			   uint32_t len);

/* The guest said what its credit is: every packet of it does. */
void vsock_stream_credited(struct vsock_stream *s, const struct vsock_packet *p);

/*
 * The guest sent @len bytes. 0; -EPROTO when it had no credit for them or had said
 * that it sends no more; -ENOMEM.
 */
int vsock_stream_deliver(struct vsock_stream *s, const struct iovec *iov, unsigned n, uint32_t len);

/* The guest said what it will do no more: VSOCK_END_* in @flags. */
void vsock_stream_shutdown(struct vsock_stream *s, uint32_t flags);

/* Write what waits, as far as the socket takes it. */
void vsock_stream_flush(struct vsock_stream *s);

#endif
