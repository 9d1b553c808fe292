/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "guest/agent/rpc.h"

/* As connect() sees it when nobody takes the connection. */
#define CONNECT_MS 10000

/* What one answer carries at most. */
#define READ_MAX 65536

struct connection {
	struct list link; /* who was asked for last is last */
	uint64_t id;
	int fd;
	struct loop *loop;
	struct loop_source *src, *limit; /* src: while a call waits */
	struct ttrpc_call *connecting, *reading, *writing;
	const uint8_t *data; /* to be written: lives as long as the call */
	size_t len, done;
	bool end;	  /* behind the data */
	size_t room;	  /* what the call that reads takes */
	bool heard, said; /* the other one's end, ours */
};

static struct {
	struct list list;
	size_t n;
	uint64_t last;
} all = { .list = { &all.list, &all.list } };

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg);

static void fail(struct ttrpc_call **call, int code, const char *what)
{
	struct err err = ERR_INIT;

	if (!*call)
		return;
	ttrpc_call_on_cancel(*call, NULL, NULL);
	err_sys(&err, code, "loopback: %s", what);
	ttrpc_fail_err(*call, &err);
	*call = NULL;
}

static void free_connection(struct connection *c, int code)
{
	struct linger reset = { .l_onoff = 1 };

	list_del(&c->link);
	all.n--;
	loop_remove(&c->src);
	loop_remove(&c->limit);
	fail(&c->connecting, code, "connect");
	fail(&c->reading, code, "read");
	fail(&c->writing, code, "write");
	if (!c->heard || !c->said)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(c->fd);
	free(c);
}

/* Nobody will ask for what it has any more. */
static void on_cancel(struct ttrpc_call *call, void *arg)
{
	struct connection *c = arg;

	(void)call;
	free_connection(c, ECANCELED);
}

/* A descriptor that is hung up says so for ever: it is watched only while somebody wants to know. */
static void watch(struct connection *c)
{
	uint32_t events = (c->connecting || c->writing ? EPOLLOUT : 0) | (c->reading ? EPOLLIN : 0);

	if (!events)
		loop_remove(&c->src);
	else if (c->src)
		loop_set_events(c->src, events);
	else
		c->src = loop_add_fd(c->loop, c->fd, events, on_event, c);
	if (events && !c->src)
		free_connection(c, errno);
}

static struct connection *find(uint64_t id)
{
	struct list *it;

	list_for_each(it, &all.list)
		if (container_of(it, struct connection, link)->id == id)
			return container_of(it, struct connection, link);
	return NULL;
}

/* The connection that @call asks for; NULL: there is none, and it was told. */
static struct connection *use(uint64_t id, struct ttrpc_call *call)
{
	struct connection *c = find(id);

	if (!c || c->connecting) {
		ttrpc_fail(call, TTRPC_NOT_FOUND, "loopback: no connection %" PRIu64, id);
		return NULL;
	}
	list_del(&c->link);
	list_add_tail(&all.list, &c->link);
	return c;
}

/* Both have said all: it is nobody's any more. */
static void look(struct connection *c)
{
	if (c->heard && c->said && !c->reading && !c->writing)
		free_connection(c, 0);
	else
		watch(c);
}

/* ---- connect -------------------------------------------------------------- */

static void connected(struct connection *c)
{
	Grpc__ConnectLoopbackResponse rsp = GRPC__CONNECT_LOOPBACK_RESPONSE__INIT;
	struct ttrpc_call *call = c->connecting;

	loop_remove(&c->limit);
	c->connecting = NULL;
	rsp.id = c->id;
	ttrpc_call_on_cancel(call, NULL, NULL);
	ttrpc_reply(call, &rsp.base);
	watch(c);
}

static void on_connect(struct connection *c)
{
	int code = 0;
	socklen_t len = sizeof(code);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
		code = errno;
	if (code)
		free_connection(c, code);
	else
		connected(c);
}

static void on_limit(void *arg)
{
	struct connection *c = arg;

	c->limit = NULL;
	free_connection(c, ETIMEDOUT);
}

/* Its length, or 0 when that is no address of the loopback. */
static socklen_t address_of(const Grpc__ConnectLoopbackRequest *req, struct sockaddr_storage *to)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof(*to));
	if (req->port == 0 || req->port > UINT16_MAX)
		return 0;
	if (req->address.len == 4 && req->address.data[0] == 127) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)req->port);
		memcpy(&v4->sin_addr, req->address.data, 4);
		return sizeof(*v4);
	}
	if (req->address.len == 16 && !memcmp(req->address.data, &in6addr_loopback, 16)) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)req->port);
		v6->sin6_addr = in6addr_loopback;
		return sizeof(*v6);
	}
	return 0;
}

/* Room for one more: one that nobody asks for, the longest not asked for first. */
static bool make_room(void)
{
	struct list *it;

	if (all.n < LOOPBACK_MAX)
		return true;
	list_for_each(it, &all.list) {
		struct connection *c = container_of(it, struct connection, link);

		if (!c->src) {
			log_warn("loopback: %d connections, closing one that nobody asks for",
				 LOOPBACK_MAX);
			free_connection(c, ECANCELED);
			return true;
		}
	}
	return false;
}

void loopback_connect(struct loop *loop, struct ttrpc_call *call,
		      const Grpc__ConnectLoopbackRequest *req)
{
	auto_close int fd = -1;
	struct sockaddr_storage to;
	socklen_t len = address_of(req, &to);
	struct connection *c;
	int one = 1, r;

	if (!len) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "loopback: no address of it, or no port");
		return;
	}
	if (!make_room()) {
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "loopback: more than %d connections",
			   LOOPBACK_MAX);
		return;
	}
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&to, len);
	if (r < 0 && errno != EINPROGRESS) {
		ttrpc_fail(call, ttrpc_code_of_errno(errno), "loopback: connect: %s",
			   strerror(errno));
		return;
	}
	/* What comes in small pieces is wanted in small pieces. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = xcalloc(1, sizeof(*c));
	c->id = ++all.last;
	c->loop = loop;
	c->fd = take_fd(&fd);
	c->connecting = call;
	list_add_tail(&all.list, &c->link);
	all.n++;
	if (r == 0) {
		connected(c);
		return;
	}
	ttrpc_call_on_cancel(call, on_cancel, c);
	c->limit = loop_add_timer(loop, CONNECT_MS, on_limit, c);
	watch(c);
}

/* ---- read, write ------------------------------------------------------------ */

/* False: the connection is gone. */
static bool try_read(struct connection *c)
{
	static uint8_t buf[READ_MAX];
	Grpc__ReadStreamResponse rsp = GRPC__READ_STREAM_RESPONSE__INIT;
	ssize_t n = recv(c->fd, buf, c->room, 0);
	struct ttrpc_call *call = c->reading;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0) {
		free_connection(c, errno);
		return false;
	}
	c->heard = n == 0;
	c->reading = NULL;
	rsp.data = (ProtobufCBinaryData){ .len = (size_t)n, .data = buf };
	ttrpc_call_on_cancel(call, NULL, NULL);
	ttrpc_reply(call, &rsp.base);
	return true;
}

static void try_write(struct connection *c)
{
	struct ttrpc_call *call = c->writing;

	while (c->done < c->len) {
		ssize_t n = send(c->fd, c->data + c->done, c->len - c->done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			/* It takes no more, but what it has said can still be read. */
			fail(&c->writing, errno, "write");
			c->said = true;
			return;
		}
		c->done += (size_t)n;
	}
	if (c->end) {
		c->said = true;
		(void)shutdown(c->fd, SHUT_WR); /* ENOTCONN: it has gone, as a read will say */
	}
	c->writing = NULL;
	ttrpc_call_on_cancel(call, NULL, NULL);
	rpc_reply_empty(call);
}

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct connection *c = arg;

	(void)src;
	(void)fd;
	if (c->connecting) {
		on_connect(c);
		return;
	}
	if (c->writing && events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		try_write(c);
	if (c->reading && events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !try_read(c))
		return;
	look(c);
}

void loopback_read(struct ttrpc_call *call, const Grpc__ReadLoopbackRequest *req)
{
	struct connection *c = use(req->id, call);

	if (!c)
		return;
	if (c->reading || req->len == 0) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION,
			   "loopback: it is being read, or nothing is to be read");
		return;
	}
	c->room = req->len < READ_MAX ? req->len : READ_MAX;
	c->reading = call;
	ttrpc_call_on_cancel(call, on_cancel, c);
	if (try_read(c))
		look(c);
}

void loopback_write(struct ttrpc_call *call, const Grpc__WriteLoopbackRequest *req)
{
	struct connection *c = use(req->id, call);

	if (!c)
		return;
	if (c->writing || c->said) {
		ttrpc_fail(call, TTRPC_FAILED_PRECONDITION,
			   "loopback: it is being written to, or all was written");
		return;
	}
	c->data = req->data.data;
	c->len = req->data.len;
	c->done = 0;
	c->end = req->end;
	c->writing = call;
	ttrpc_call_on_cancel(call, on_cancel, c);
	try_write(c);
	look(c);
}

void loopback_close(uint64_t id)
{
	struct connection *c = find(id);

	if (c)
		free_connection(c, ECANCELED);
}

void loopback_close_all(void)
{
	while (!list_empty(&all.list))
		free_connection(container_of(all.list.next, struct connection, link), ECANCELED);
	all.last = 0;
}
