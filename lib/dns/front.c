/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/front.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"

/* Taken at a time: others have work to do, too. */
#define BATCH_MAX 16

#define UDP_DATA_MAX (DNS_MESSAGE_MAX - sizeof(struct iphdr) - sizeof(struct udphdr))

/* Of all fronts: an answer that comes when its own has gone fits no other question. */
static uint64_t last;

struct dns_front {
	struct loop *loop;
	dns_query_cb cb;
	void *arg;
	struct dns_sockets s;
	struct loop_source *udp_src, *tcp_src;
	struct list queries, clients;
	size_t n_queries, n_clients;
	bool full; /* it was told */
};

/* A connection: a question, its answer, the next one. */
struct client {
	struct list link;
	struct dns_front *f;
	int fd;
	struct loop_source *src, *limit;
	struct query *query; /* whose answer is awaited */
	uint8_t head[2];
	uint8_t *buf; /* the question without its length, or the answer with it */
	size_t done, len;
	bool writing;
};

struct query {
	struct list link;
	struct dns_front *f;
	uint64_t id;
	struct in_addr server;
	struct sockaddr_in from; /* by UDP */
	struct client *client;	 /* NULL: by UDP */
	struct loop_source *limit;
	uint8_t begin[DNS_REFUSAL_MAX];
	size_t begin_len;
};

/* ---- answers --------------------------------------------------------------------- */

/* From the address and the port that were asked, whatever the socket is bound to. */
static void answer_datagram(const struct query *q, const uint8_t *data, size_t len)
{
	struct udphdr udp = {
		.source = htons(DNS_PORT),
		.dest = q->from.sin_port,
		.len = htons((uint16_t)(sizeof(udp) + len)),
	};
	/* The length and the sum are the kernel's. */
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.ttl = IPDEFTTL,
		.protocol = IPPROTO_UDP,
		.saddr = q->server.s_addr,
		.daddr = q->from.sin_addr.s_addr,
	};
	struct iovec v[] = {
		{ &ip, sizeof(ip) },
		{ &udp, sizeof(udp) },
		{ (void *)(uintptr_t)data, len },
	};
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = q->from.sin_addr };
	struct msghdr m = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = v,
		.msg_iovlen = ARRAY_SIZE(v),
	};

	/* As any datagram it may be lost, and is asked for again. */
	if (sendmsg(q->f->s.raw, &m, 0) < 0)
		log_debug("an answer about names: %s", strerror(errno));
}

static void on_client(struct loop_source *src, int fd, uint32_t events, void *arg);
static void on_silence(void *arg);

static void forget(struct query *q)
{
	if (q->client)
		q->client->query = NULL;
	list_del(&q->link);
	q->f->n_queries--;
	loop_remove(&q->limit);
	free(q);
}

static void end_client(struct client *c)
{
	if (c->query)
		forget(c->query);
	list_del(&c->link);
	c->f->n_clients--;
	loop_remove(&c->src);
	loop_remove(&c->limit);
	close(c->fd);
	free(c->buf);
	free(c);
}

static void on_silence(void *arg)
{
	struct client *c = arg;

	c->limit = NULL;
	end_client(c);
}

/* It reads the next question (@events EPOLLIN), writes an answer, or waits (0). */
static void turn(struct client *c, uint32_t events)
{
	loop_remove(&c->limit);
	c->limit = events ? loop_add_timer(c->f->loop, DNS_FRONT_CLIENT_MS, on_silence, c) : NULL;
	if (!events)
		loop_remove(&c->src);
	else if (c->src)
		loop_set_events(c->src, events);
	else
		c->src = loop_add_fd(c->f->loop, c->fd, events, on_client, c);
	if (events && !c->src)
		end_client(c);
}

static void answer_stream(struct client *c, const uint8_t *data, size_t len)
{
	c->writing = true;
	c->done = 0;
	c->len = len + 2;
	c->buf = xmalloc(c->len);
	c->buf[0] = (uint8_t)(len >> 8);
	c->buf[1] = (uint8_t)len;
	memcpy(c->buf + 2, data, len);
	turn(c, EPOLLOUT);
}

static void answer(struct query *q, const uint8_t *data, size_t len)
{
	uint8_t refusal[DNS_REFUSAL_MAX];
	struct client *c = q->client;

	if (!data || !dns_is_answer(data, len, q->begin) || (!c && len > UDP_DATA_MAX)) {
		len = dns_refuse(q->begin, q->begin_len, refusal);
		data = refusal;
	}
	if (!c)
		answer_datagram(q, data, len);
	forget(q);
	if (c)
		answer_stream(c, data, len);
}

void dns_front_answer(struct dns_front *f, uint64_t id, const uint8_t *data, size_t len)
{
	struct list *it;

	list_for_each(it, &f->queries) {
		struct query *q = container_of(it, struct query, link);

		if (q->id != id)
			continue;
		answer(q, data, len);
		return;
	}
}

/* ---- questions -------------------------------------------------------------------- */

static void on_limit(void *arg)
{
	struct query *q = arg;

	q->limit = NULL;
	answer(q, NULL, 0);
}

static void take(struct dns_front *f, const struct sockaddr_in *from, struct client *c,
		 struct in_addr server, const uint8_t *data, size_t len)
{
	struct query *q = xcalloc(1, sizeof(*q));
	struct dns_query told = {
		.id = ++last,
		.server = server,
		.tcp = c != NULL,
		.data = data,
		.len = len,
	};

	q->f = f;
	q->id = told.id;
	q->server = server;
	q->client = c;
	if (c)
		c->query = q;
	else
		q->from = *from;
	q->begin_len = len < sizeof(q->begin) ? len : sizeof(q->begin);
	memcpy(q->begin, data, q->begin_len);
	list_add_tail(&f->queries, &q->link);
	f->n_queries++;
	if (f->n_queries > DNS_FRONT_QUERIES_MAX) {
		if (!f->full)
			log_warn("more than %d questions about names wait: more are refused",
				 DNS_FRONT_QUERIES_MAX);
		f->full = true;
		answer(q, NULL, 0);
		return;
	}
	q->limit = loop_add_timer(f->loop, DNS_FRONT_QUERY_MS, on_limit, q);
	f->cb(&told, f->arg);
}

/* False: there is nothing any more. */
static bool receive_datagram(struct dns_front *f)
{
	static uint8_t buf[DNS_MESSAGE_MAX];
	char control[CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct sockaddr_in from;
	struct iovec v = { buf, sizeof(buf) };
	struct msghdr m = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(f->s.udp, &m, 0);
	struct in_pktinfo info;
	struct cmsghdr *c;

	if (n < 0)
		return errno == EINTR;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			break;
	if (!c || m.msg_namelen != sizeof(from) || !dns_is_query(buf, (size_t)n))
		return true;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	take(f, &from, NULL, info.ipi_addr, buf, (size_t)n);
	return true;
}

static void on_datagram(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct dns_front *f = arg;

	(void)src;
	(void)fd;
	(void)events;
	for (int i = 0; i < BATCH_MAX && receive_datagram(f); i++)
		;
}

/* ---- connections ------------------------------------------------------------------- */

static void ask(struct client *c)
{
	auto_free uint8_t *data = take_ptr(c->buf);
	struct sockaddr_in to;
	socklen_t len = sizeof(to);

	if (!dns_is_query(data, c->len) || getsockname(c->fd, (struct sockaddr *)&to, &len) < 0) {
		end_client(c);
		return;
	}
	turn(c, 0);
	take(c->f, NULL, c, to.sin_addr, data, c->len);
}

/* One step of what is at hand. False: nothing more is to be done here. */
static bool read_some(struct client *c)
{
	size_t at = c->buf ? c->done - sizeof(c->head) : c->done;
	ssize_t n = recv(c->fd, c->buf ? c->buf + at : c->head + at,
			 (c->buf ? c->len : sizeof(c->head)) - at, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n <= 0) {
		end_client(c);
		return false;
	}
	c->done += (size_t)n;
	if (c->done < sizeof(c->head))
		return true;
	if (!c->buf) {
		c->len = (size_t)c->head[0] << 8 | c->head[1];
		if (c->len < DNS_HEADER_LEN) {
			end_client(c);
			return false;
		}
		c->buf = xmalloc(c->len);
		return true;
	}
	if (c->done < sizeof(c->head) + c->len)
		return true;
	ask(c);
	return false;
}

static bool write_some(struct client *c)
{
	ssize_t n = send(c->fd, c->buf + c->done, c->len - c->done, MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n < 0) {
		end_client(c);
		return false;
	}
	c->done += (size_t)n;
	if (c->done < c->len)
		return true;
	free(take_ptr(c->buf));
	c->done = 0;
	c->writing = false;
	turn(c, EPOLLIN);
	return false;
}

static void on_client(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct client *c = arg;
	bool more = true;

	(void)src;
	(void)fd;
	(void)events;
	for (int i = 0; more && i < BATCH_MAX; i++)
		more = c->writing ? write_some(c) : read_some(c);
}

static void on_accept(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct dns_front *f = arg;

	(void)src;
	(void)events;
	for (int i = 0; i < BATCH_MAX; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct client *c;

		if (client < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (client < 0)
			return;
		if (f->n_clients == DNS_FRONT_CLIENTS_MAX) {
			close(client);
			continue;
		}
		c = xcalloc(1, sizeof(*c));
		c->f = f;
		c->fd = client;
		list_add_tail(&f->clients, &c->link);
		f->n_clients++;
		turn(c, EPOLLIN);
	}
}

/* ---- beginning and end --------------------------------------------------------------- */

struct dns_front *dns_front_open(struct loop *loop, struct dns_sockets *s, dns_query_cb cb,
				 void *arg, struct err *err)
{
	struct dns_front *f = xcalloc(1, sizeof(*f));

	*f = (struct dns_front){ .loop = loop, .cb = cb, .arg = arg, .s = *s };
	*s = (struct dns_sockets)DNS_SOCKETS_NONE;
	list_init(&f->queries);
	list_init(&f->clients);
	f->udp_src = loop_add_fd(loop, f->s.udp, EPOLLIN, on_datagram, f);
	f->tcp_src = loop_add_fd(loop, f->s.tcp, EPOLLIN, on_accept, f);
	if (!f->udp_src || !f->tcp_src) {
		err_sys(err, errno, "questions of names");
		dns_front_close(&f);
	}
	return f;
}

void dns_front_close(struct dns_front **at)
{
	struct dns_front *f = *at;

	if (!f)
		return;
	*at = NULL;
	while (!list_empty(&f->clients))
		end_client(container_of(f->clients.next, struct client, link));
	while (!list_empty(&f->queries))
		forget(container_of(f->queries.next, struct query, link));
	loop_remove(&f->udp_src);
	loop_remove(&f->tcp_src);
	dns_sockets_close(&f->s);
	free(f);
}
