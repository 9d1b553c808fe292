/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

/* A reply of this size fits a frame; more is read by the next call. */
#define READ_MAX (1u << 20)

struct stream_call {
	struct list link;
	struct stream *stream;
	struct ttrpc_call *call;
	const uint8_t *data; /* write: lives as long as the call */
	size_t len, done;    /* read: @len is the most */
};

static void on_ready(struct loop_source *src, int fd, uint32_t events, void *arg);

void stream_init(struct stream *s, struct loop *loop, int fd)
{
	*s = (struct stream){ .loop = loop, .fd = fd };
	list_init(&s->calls);
}

static struct stream_call *first(struct stream *s)
{
	return list_empty(&s->calls) ? NULL : container_of(s->calls.next, struct stream_call, link);
}

/* Take @c out; the caller answers the call. */
static struct ttrpc_call *take(struct stream_call *c)
{
	struct ttrpc_call *call = c->call;

	ttrpc_call_on_cancel(call, NULL, NULL);
	list_del(&c->link);
	free(c);
	return call;
}

static void close_stream(struct stream *s)
{
	loop_remove(&s->source);
	loop_remove(&s->drain);
	close_fd(&s->fd);
}

static void reply_data(struct ttrpc_call *call, uint8_t *data, size_t len)
{
	Grpc__ReadStreamResponse rsp = GRPC__READ_STREAM_RESPONSE__INIT;

	rsp.data.data = data;
	rsp.data.len = len;
	ttrpc_reply(call, &rsp.base);
}

/* Nobody will be able to read more: the end for all that wait. */
static void end_output(struct stream *s)
{
	struct stream_call *c;

	close_stream(s);
	while ((c = first(s)))
		reply_data(take(c), NULL, 0);
}

void stream_done(struct stream *s)
{
	struct stream_call *c;

	close_stream(s);
	while ((c = first(s)))
		ttrpc_fail(take(c), TTRPC_NOT_FOUND, "the process was removed");
}

/* Watch exactly while a call waits. False when the kernel refuses. */
static void watch(struct stream *s, uint32_t events)
{
	if (!first(s)) {
		loop_remove(&s->source);
		return;
	}
	if (!s->source && s->fd >= 0)
		s->source = loop_add_fd(s->loop, s->fd, events, on_ready, s);
}

static void on_cancel(struct ttrpc_call *call, void *arg)
{
	struct stream_call *c = arg;
	struct stream *s = c->stream;

	list_del(&c->link);
	free(c);
	ttrpc_fail(call, TTRPC_CANCELLED, "cancelled");
	watch(s, 0);
}

static void enqueue(struct stream *s, struct ttrpc_call *call, const uint8_t *data, size_t len)
{
	struct stream_call *c = xcalloc(1, sizeof(*c));

	c->stream = s;
	c->call = call;
	c->data = data;
	c->len = len;
	list_add_tail(&s->calls, &c->link);
	ttrpc_call_on_cancel(call, on_cancel, c);
}

static bool unread(const struct stream *s)
{
	int n = 0;

	return ioctl(s->fd, FIONREAD, &n) == 0 && n > 0;
}

static void on_drained(void *arg)
{
	struct stream *s = arg;

	s->drain = NULL;
	/* What nobody has asked for yet stays; the silence is counted from when it was read. */
	if (!unread(s))
		end_output(s);
}

/* Count the silence anew. */
static void arm_drain(struct stream *s)
{
	loop_remove(&s->drain);
	if (s->exited && s->fd >= 0)
		s->drain = loop_add_timer(s->loop, STREAM_DRAIN_MS, on_drained, s);
}

/* Serve reads until there is nothing to read. */
static void read_some(struct stream *s)
{
	struct stream_call *c;

	while (s->fd >= 0 && (c = first(s))) {
		size_t len = c->len < READ_MAX ? c->len : READ_MAX;
		auto_free uint8_t *buf = xmalloc(len);
		ssize_t n = read(s->fd, buf, len);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n > 0) {
			arm_drain(s);
			reply_data(take(c), buf, (size_t)n);
			continue;
		}
		/* EIO: the last one closed the terminal. */
		end_output(s);
	}
	watch(s, EPOLLIN);
}

static void reply_written(struct stream_call *c)
{
	Grpc__WriteStreamResponse rsp = GRPC__WRITE_STREAM_RESPONSE__INIT;

	rsp.len = (uint32_t)c->done;
	ttrpc_reply(take(c), &rsp.base);
}

static void fail_writes(struct stream *s, int code)
{
	struct stream_call *c;

	close_stream(s);
	while ((c = first(s)))
		ttrpc_fail(take(c), ttrpc_code_of_errno(code), "write to stdin: %s",
			   strerror(code));
}

static void write_some(struct stream *s)
{
	struct stream_call *c;

	while (s->fd >= 0 && (c = first(s))) {
		ssize_t n = write(s->fd, c->data + c->done, c->len - c->done);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) {
			fail_writes(s, errno);
			return;
		}
		c->done += (size_t)n;
		if (c->done == c->len)
			reply_written(c);
	}
	if (s->closing && !first(s))
		close_stream(s);
	watch(s, EPOLLOUT);
}

static void on_ready(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct stream *s = arg;
	struct stream_call *c = first(s);

	(void)src;
	(void)fd;
	(void)events;
	if (c && c->data)
		write_some(s);
	else
		read_some(s);
}

void stream_read(struct stream *s, struct ttrpc_call *call, const Grpc__ReadStreamRequest *req)
{
	if (req->hang_up)
		end_output(s);
	if (s->fd < 0 || req->len == 0) {
		reply_data(call, NULL, 0);
		return;
	}
	enqueue(s, call, NULL, req->len);
	read_some(s);
}

void stream_write(struct stream *s, struct ttrpc_call *call, const Grpc__WriteStreamRequest *req)
{
	if (s->fd < 0 || s->closing) {
		ttrpc_fail(call, ttrpc_code_of_errno(EPIPE), "stdin is closed");
		return;
	}
	enqueue(s, call, req->data.data, req->data.len);
	write_some(s);
}

void stream_close_input(struct stream *s)
{
	s->closing = true;
	if (!first(s))
		close_stream(s);
}

void stream_exited(struct stream *s)
{
	s->exited = true;
	arm_drain(s);
}
