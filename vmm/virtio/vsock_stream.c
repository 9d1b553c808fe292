/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vsock_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define BURST_MIN 4096
#define BURST_MAX (64 << 10)

void vsock_stream_init(struct vsock_stream *s, uint32_t room)
{
	*s = (struct vsock_stream){ .fd = -1, .room = room, .burst = BURST_MIN };
	list_init(&s->link);
	list_init(&s->ready);
}

void vsock_stream_attach(struct vsock_stream *s, int fd, struct loop_source *src)
{
	s->fd = fd;
	s->src = src;
	s->writable = true;
}

/* What waits will not be taken any more, or has all been taken. */
static void forget_waiting(struct vsock_stream *s)
{
	s->forwarded += s->waiting_len;
	s->waiting_at = s->waiting_len = 0;
	free(take_ptr(s->waiting));
}

void vsock_stream_close(struct vsock_stream *s)
{
	loop_remove(&s->src);
	close_fd(&s->fd);
	forget_waiting(s);
	s->readable = s->writable = false;
}

/* The host's side reads no more, so neither does what waits for it matter. */
static void host_deaf(struct vsock_stream *s)
{
	s->host_ended |= VSOCK_END_RCV;
	s->writable = false;
	forget_waiting(s);
}

void vsock_stream_event(struct vsock_stream *s, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		s->ending = true;
	if (events & EPOLLOUT) {
		s->writable = true;
		loop_set_events(s->src, VSOCK_STREAM_EVENTS);
	}
	/* Both directions are shut, whoever did it: nothing that we write is read. */
	if (events & EPOLLHUP)
		host_deaf(s);
	vsock_stream_flush(s);
}

uint32_t vsock_stream_credit(const struct vsock_stream *s)
{
	uint32_t in_flight = s->sent - s->peer_forwarded;

	/* A guest that claims to have got more than was sent has none: in_flight wraps. */
	return in_flight < s->peer_alloc ? s->peer_alloc - in_flight : 0;
}

static bool has_data(const struct vsock_stream *s)
{
	return s->readable && !(s->host_ended & VSOCK_END_SEND);
}

uint16_t vsock_stream_due(const struct vsock_stream *s)
{
	if (s->owes_reset)
		return VIRTIO_VSOCK_OP_RST;
	if (s->owes_request)
		return VIRTIO_VSOCK_OP_REQUEST;
	if (s->phase != VSOCK_OPEN)
		return 0;
	if (s->owes_response)
		return VIRTIO_VSOCK_OP_RESPONSE;
	if (has_data(s) && vsock_stream_credit(s) > 0)
		return VIRTIO_VSOCK_OP_RW;
	if (s->host_ended & ~s->host_told)
		return VIRTIO_VSOCK_OP_SHUTDOWN;
	if (s->owes_credit || s->forwarded - s->told_forwarded >= s->room / 2)
		return VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	if (has_data(s) && !s->asked_for_credit)
		return VIRTIO_VSOCK_OP_CREDIT_REQUEST;
	return 0;
}

void vsock_stream_compose(struct vsock_stream *s, uint16_t op, struct vsock_packet *p)
{
	*p = (struct vsock_packet){
		.src_cid = VSOCK_CID_HOST,
		.src_port = s->host_port,
		.dst_port = s->guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = s->room,
		.fwd_cnt = s->forwarded,
	};
	s->told_forwarded = s->forwarded;
	s->owes_credit = false;
	switch (op) {
	case VIRTIO_VSOCK_OP_REQUEST:
		s->owes_request = false;
		break;
	case VIRTIO_VSOCK_OP_RESPONSE:
		s->owes_response = false;
		break;
	case VIRTIO_VSOCK_OP_RST:
		s->owes_reset = false;
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		p->flags = s->host_told = s->host_ended;
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		s->asked_for_credit = true;
		break;
	}
}

uint32_t vsock_stream_fill(struct vsock_stream *s, const struct iovec *iov, unsigned n,
			   uint32_t len)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n };
	ssize_t got;

	do {
		got = recvmsg(s->fd, &msg, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got > 0) {
		/* Less than there is room for is all, unless descriptors came along: those stop it. */
		if (got < len && !s->ending && !(msg.msg_flags & MSG_CTRUNC))
			s->readable = false;
		s->sent += (uint32_t)got;
		s->burst = got < len ? BURST_MIN : len < BURST_MAX / 2 ? 2 * len : BURST_MAX;
		return (uint32_t)got;
	}
	s->readable = false;
	if (got == 0) {
		s->host_ended |= VSOCK_END_SEND;
	} else if (errno != EAGAIN) {
		/* ECONNRESET: it closed without having read all, so it is gone altogether. */
		s->host_ended |= VSOCK_END_SEND;
		host_deaf(s);
	}
	return 0;
}

void vsock_stream_credited(struct vsock_stream *s, const struct vsock_packet *p)
{
	if (p->buf_alloc != s->peer_alloc || p->fwd_cnt != s->peer_forwarded)
		s->asked_for_credit = false;
	s->peer_alloc = p->buf_alloc;
	s->peer_forwarded = p->fwd_cnt;
}

/*
 * Send until all is gone or the socket would block: an edge comes only after that.
 * @iov is used up. Returns the bytes that went.
 */
static size_t send_all(struct vsock_stream *s, struct iovec *iov, unsigned n)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
	size_t done = 0;

	while (s->writable && msg.msg_iovlen > 0) {
		ssize_t went = sendmsg(s->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (went < 0) {
			if (errno == EINTR)
				continue;
			s->writable = false;
			if (errno == EAGAIN)
				loop_set_events(s->src, VSOCK_STREAM_EVENTS | EPOLLOUT);
			else
				host_deaf(s);
			break;
		}
		done += (size_t)went;
		while (msg.msg_iovlen > 0 && (size_t)went >= msg.msg_iov->iov_len) {
			went -= (ssize_t)msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (msg.msg_iovlen > 0) {
			msg.msg_iov->iov_base = (uint8_t *)msg.msg_iov->iov_base + went;
			msg.msg_iov->iov_len -= (size_t)went;
		}
	}
	return done;
}

static void keep(struct vsock_stream *s, const uint8_t *data, size_t len)
{
	uint32_t at = (s->waiting_at + s->waiting_len) % s->room;
	size_t first = s->room - at < len ? s->room - at : len;

	memcpy(s->waiting + at, data, first);
	memcpy(s->waiting, data + first, len - first);
	s->waiting_len += (uint32_t)len;
}

int vsock_stream_deliver(struct vsock_stream *s, const struct iovec *iov, unsigned n, uint32_t len)
{
	struct iovec part[VIRTQ_SIZE_MAX];
	size_t got, went = 0;
	unsigned parts;

	if (s->guest_ended & VSOCK_END_SEND || len > s->room - s->waiting_len)
		return -EPROTO;
	parts = vsock_slice(iov, n, 0, len, part, VIRTQ_SIZE_MAX, &got);
	if (got != len)
		return -EPROTO;
	if (s->waiting_len == 0)
		went = send_all(s, part, parts);
	s->forwarded += (uint32_t)went;
	if (s->host_ended & VSOCK_END_RCV) {
		s->forwarded += (uint32_t)(len - went);
		return 0;
	}
	if (went == len)
		return 0;
	if (!s->waiting)
		s->waiting = malloc(s->room);
	if (!s->waiting)
		return -ENOMEM;
	parts = vsock_slice(iov, n, went, len - went, part, VIRTQ_SIZE_MAX, &got);
	for (unsigned i = 0; i < parts; i++)
		keep(s, part[i].iov_base, part[i].iov_len);
	return 0;
}

void vsock_stream_flush(struct vsock_stream *s)
{
	uint32_t first = s->room - s->waiting_at;
	struct iovec iov[2];
	size_t went;

	if (s->waiting_len > 0 && s->writable) {
		if (first > s->waiting_len)
			first = s->waiting_len;
		iov[0] = (struct iovec){ s->waiting + s->waiting_at, first };
		iov[1] = (struct iovec){ s->waiting, s->waiting_len - first };
		went = send_all(s, iov, iov[1].iov_len > 0 ? 2 : 1);
		if (s->waiting_len > 0) { /* not so when the host turned out to be deaf */
			s->forwarded += (uint32_t)went;
			s->waiting_at = (s->waiting_at + (uint32_t)went) % s->room;
			s->waiting_len -= (uint32_t)went;
		}
	}
	if (s->waiting_len > 0)
		return;
	forget_waiting(s);
	if (s->guest_ended & VSOCK_END_SEND && !(s->host_ended & VSOCK_END_RCV) && s->fd >= 0) {
		shutdown(s->fd, SHUT_WR);
		s->host_ended |= VSOCK_END_RCV;
		s->host_told |= VSOCK_END_RCV; /* it was the guest's own word */
	}
}

void vsock_stream_shutdown(struct vsock_stream *s, uint32_t flags)
{
	s->guest_ended |= flags & VSOCK_END_BOTH;
	if (s->guest_ended & VSOCK_END_RCV && !(s->host_ended & VSOCK_END_SEND)) {
		if (s->fd >= 0)
			shutdown(s->fd, SHUT_RD);
		s->host_ended |= VSOCK_END_SEND;
		s->host_told |= VSOCK_END_SEND;
	}
	vsock_stream_flush(s);
}
