/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/loopback.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/network/loopback.h"
#include "host/sandbox/network_parts.h"

/* Connections at a time: as many as the agent takes. */
#define CONNECTIONS_MAX 256

/* What one call carries, either way; each connection holds at most two of them. */
#define PIECE 16384

/* The agent gives a server of the guest 10 s to take the connection. */
#define CONNECT_MS 12000

struct loopback {
	struct sandbox *sb;
	struct net_loopback *net;
	struct list list; /* struct connection */
	size_t n;
	bool full; /* it was told */
};

struct connection {
	struct list link;
	struct loopback *l; /* NULL: it was given up, and waits for its calls */
	int fd;
	uint64_t id; /* the agent's; 0: it has none yet */
	unsigned calls;
	struct loop_source *src;
	bool writing;		      /* a piece is on its way to the guest */
	bool client_ends, guest_ends; /* that one has said all */
	uint8_t *rest;		      /* of a piece for the client */
	size_t at, len;
};

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg);
static void ask(struct connection *c);

static void unref(struct connection *c)
{
	if (c->calls == 0 && !c->l)
		free(c);
}

static void on_closed(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	(void)rsp;
	(void)err;
	(void)arg;
}

static void close_in_guest(struct sandbox *sb, uint64_t id)
{
	Grpc__CloseLoopbackRequest req = GRPC__CLOSE_LOOPBACK_REQUEST__INIT;

	req.id = id;
	call_agent(sb, "CloseLoopback", &req.base, AGENT_CALL_MS, on_closed, NULL);
}

/* Without @reset both ends have been said, and the agent has forgotten it. */
static void finish(struct connection *c, bool reset)
{
	struct loopback *l = c->l;

	list_del(&c->link);
	l->n--;
	loop_remove(&c->src);
	if (reset)
		net_loopback_reset(c->fd);
	else
		close(c->fd);
	if (reset && c->id)
		close_in_guest(l->sb, c->id);
	free(c->rest);
	c->rest = NULL;
	c->l = NULL;
}

/* Only while something is wanted: a hang-up is told again and again. */
static void watch(struct connection *c)
{
	uint32_t events =
		(c->len > 0 ? EPOLLOUT : 0) | (!c->writing && !c->client_ends ? EPOLLIN : 0);

	if (!events)
		loop_remove(&c->src);
	else if (c->src)
		loop_set_events(c->src, events);
	else
		c->src = loop_add_fd(c->l->sb->loop, c->fd, events, on_event, c);
	if (events && !c->src)
		finish(c, true);
}

static void look(struct connection *c)
{
	if (c->client_ends && c->guest_ends && !c->writing && c->len == 0)
		finish(c, false);
	else
		watch(c);
}

/* ---- to the client -------------------------------------------------------------- */

/* False: nobody is there any more. */
static bool deliver(struct connection *c, const uint8_t *data, size_t len, size_t *done)
{
	while (*done < len) {
		ssize_t n = send(c->fd, data + *done, len - *done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		*done += (size_t)n;
	}
	return true;
}

static void on_said(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Grpc__ReadStreamResponse *said = (const Grpc__ReadStreamResponse *)rsp;
	struct connection *c = arg;
	size_t done = 0;

	c->calls--;
	if (!c->l) {
		unref(c);
		return;
	}
	/* It was asked for no more than a piece. */
	if (err || said->data.len > PIECE || !deliver(c, said->data.data, said->data.len, &done)) {
		finish(c, true);
		unref(c);
		return;
	}
	if (said->data.len == 0) {
		c->guest_ends = true;
		(void)shutdown(c->fd, SHUT_WR);
	} else if (done < said->data.len) {
		c->at = 0;
		c->len = said->data.len - done;
		c->rest = xmalloc(c->len);
		memcpy(c->rest, said->data.data + done, c->len);
	} else {
		ask(c);
	}
	look(c);
	unref(c);
}

static void ask(struct connection *c)
{
	Grpc__ReadLoopbackRequest req = GRPC__READ_LOOPBACK_REQUEST__INIT;

	req.id = c->id;
	req.len = PIECE;
	c->calls++;
	call_agent(c->l->sb, "ReadLoopback", &req.base, 0, on_said, c);
}

static bool on_room(struct connection *c)
{
	size_t done = 0;

	if (!deliver(c, c->rest + c->at, c->len, &done))
		return false;
	c->at += done;
	c->len -= done;
	if (c->len > 0)
		return true;
	free(c->rest);
	c->rest = NULL;
	ask(c);
	return true;
}

/* ---- to the guest ----------------------------------------------------------------- */

static void on_written(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct connection *c = arg;

	(void)rsp;
	c->calls--;
	c->writing = false;
	/* It takes no more; what it has to say is still heard. */
	if (err)
		c->client_ends = true;
	if (c->l)
		look(c);
	unref(c);
}

static bool on_heard(struct connection *c)
{
	static uint8_t buf[PIECE];
	Grpc__WriteLoopbackRequest req = GRPC__WRITE_LOOPBACK_REQUEST__INIT;
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	req.id = c->id;
	req.data = (ProtobufCBinaryData){ .len = (size_t)n, .data = buf };
	req.end = n == 0;
	c->client_ends = n == 0;
	c->writing = true;
	c->calls++;
	call_agent(c->l->sb, "WriteLoopback", &req.base, 0, on_written, c);
	return true;
}

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct connection *c = arg;
	bool there = !(events & EPOLLERR);

	(void)src;
	(void)fd;
	if (there && c->len > 0 && events & (EPOLLOUT | EPOLLHUP))
		there = on_room(c);
	if (there && !c->writing && !c->client_ends && events & (EPOLLIN | EPOLLHUP))
		there = on_heard(c);
	if (there)
		look(c);
	else
		finish(c, true);
	unref(c);
}

/* ---- beginning ---------------------------------------------------------------------- */

static void on_connected(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Grpc__ConnectLoopbackResponse *there = (const Grpc__ConnectLoopbackResponse *)rsp;
	struct connection *c = arg;

	c->calls--;
	if (!c->l) {
		/* The machine has ended: there is nothing to be closed. */
		unref(c);
		return;
	}
	if (err) {
		log_debug("sandbox %s: %s", c->l->sb->st->id, err_msg(err));
		finish(c, true);
		unref(c);
		return;
	}
	c->id = there->id;
	ask(c);
	watch(c);
	unref(c);
}

static void on_connection(int fd, const struct sockaddr_storage *to, void *arg)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)to;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)to;
	Grpc__ConnectLoopbackRequest req = GRPC__CONNECT_LOOPBACK_REQUEST__INIT;
	struct loopback *l = arg;
	struct connection *c;
	int one = 1;

	if (l->n == CONNECTIONS_MAX) {
		if (!l->full)
			log_warn("sandbox %s: more than %d connections to the pod's loopback: they "
				 "are refused",
				 l->sb->st->id, CONNECTIONS_MAX);
		l->full = true;
		net_loopback_reset(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = xcalloc(1, sizeof(*c));
	c->l = l;
	c->fd = fd;
	list_add_tail(&l->list, &c->link);
	l->n++;
	if (to->ss_family == AF_INET) {
		req.address = (ProtobufCBinaryData){ 4, (uint8_t *)(uintptr_t)&v4->sin_addr };
		req.port = ntohs(v4->sin_port);
	} else {
		req.address = (ProtobufCBinaryData){ 16, (uint8_t *)(uintptr_t)&v6->sin6_addr };
		req.port = ntohs(v6->sin6_port);
	}
	c->calls++;
	call_agent(l->sb, "ConnectLoopback", &req.base, CONNECT_MS, on_connected, c);
}

static void on_agent_can(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct sandbox *sb = arg;
	struct err why = ERR_INIT;
	struct loopback *l;

	if (sb->phase != PHASE_RUNNING || !sb->net)
		return;
	if (!rsp) {
		log_info(
			"sandbox %s: connections on the host to the pod's loopback do not reach the "
			"guest: %s",
			sb->st->id, err_msg(err));
		return;
	}
	l = xcalloc(1, sizeof(*l));
	l->sb = sb;
	list_init(&l->list);
	l->net = net_loopback_open(sb->loop, sb->net->netns, on_connection, l, &why);
	if (l->net) {
		sb->loopback = l;
		return;
	}
	log_info(
		"sandbox %s: connections on the host to the pod's loopback do not reach the guest: %s",
		sb->st->id, err_msg(&why));
	free(l);
}

void loopback_begin(struct sandbox *sb)
{
	Grpc__CloseLoopbackRequest req = GRPC__CLOSE_LOOPBACK_REQUEST__INIT;

	/* There is no such connection; an agent that knows the question can. */
	if (sb->net && !sb->loopback_asked) {
		sb->loopback_asked = true;
		call_agent(sb, "CloseLoopback", &req.base, AGENT_CALL_MS, on_agent_can, sb);
	}
}

void loopback_end(struct sandbox *sb)
{
	struct loopback *l = take_ptr(sb->loopback);

	if (!l)
		return;
	net_loopback_close(&l->net);
	while (!list_empty(&l->list)) {
		struct connection *c = container_of(l->list.next, struct connection, link);

		c->id = 0; /* the guest is gone */
		finish(c, true);
		unref(c);
	}
	free(l);
}
