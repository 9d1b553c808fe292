/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/ask.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

/* Answers that are for somebody else, before it is given up. */
#define STRANGERS_MAX 16

struct dns_ask {
	struct loop_source *src, *limit;
	int fd;
	bool tcp;
	unsigned strangers;
	dns_answer_cb cb;
	void *arg;
	uint8_t *out; /* the query; by TCP its length is before it */
	size_t out_len, out_done;
	uint8_t *in; /* by TCP: the answer, behind its length */
	size_t in_done;
	uint8_t head[2];
};

int dns_ask_socket(bool tcp)
{
	int fd =
		socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

void dns_ask_cancel(struct dns_ask **at)
{
	struct dns_ask *a = *at;

	if (!a)
		return;
	*at = NULL;
	loop_remove(&a->src);
	loop_remove(&a->limit);
	close(a->fd);
	free(a->out);
	free(a->in);
	free(a);
}

static void finish(struct dns_ask *a, const uint8_t *data, size_t len)
{
	dns_answer_cb cb = a->cb;
	void *arg = a->arg;
	uint8_t *in = take_ptr(a->in);

	dns_ask_cancel(&a);
	cb(data, len, arg);
	free(in);
}

static void on_limit(void *arg)
{
	struct dns_ask *a = arg;

	a->limit = NULL;
	finish(a, NULL, 0);
}

static const uint8_t *header(const struct dns_ask *a)
{
	return a->out + (a->tcp ? sizeof(a->head) : 0);
}

/* True: it goes on. Otherwise it was told, and is gone. */
static bool send_rest(struct dns_ask *a)
{
	while (a->out_done < a->out_len) {
		ssize_t n =
			send(a->fd, a->out + a->out_done, a->out_len - a->out_done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EINPROGRESS || errno == ENOTCONN))
			return true;
		if (n < 0) {
			finish(a, NULL, 0);
			return false;
		}
		a->out_done += (size_t)n;
	}
	loop_set_events(a->src, EPOLLIN);
	return true;
}

static void receive_datagram(struct dns_ask *a)
{
	static uint8_t buf[DNS_MESSAGE_MAX];
	ssize_t n = recv(a->fd, buf, sizeof(buf), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n >= 0 && !dns_is_answer(buf, (size_t)n, header(a)) && a->strangers++ < STRANGERS_MAX)
		return;
	if (n >= 0 && dns_is_answer(buf, (size_t)n, header(a)))
		finish(a, buf, (size_t)n);
	else
		finish(a, NULL, 0);
}

/* How long the answer is; 0: that is not known yet. */
static size_t announced(const struct dns_ask *a)
{
	return a->in_done < sizeof(a->head) ? 0 : (size_t)a->head[0] << 8 | a->head[1];
}

static void receive_stream(struct dns_ask *a)
{
	for (;;) {
		bool in_head = a->in_done < sizeof(a->head);
		size_t len = announced(a), at = in_head ? a->in_done : a->in_done - sizeof(a->head);
		ssize_t n = recv(a->fd, in_head ? a->head + at : a->in + at,
				 (in_head ? sizeof(a->head) : len) - at, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			break;
		a->in_done += (size_t)n;
		len = announced(a);
		if (in_head && len > 0)
			a->in = xmalloc(len);
		if (a->in_done < sizeof(a->head) || (len > 0 && a->in_done < len + 2))
			continue;
		if (len == 0 || !dns_is_answer(a->in, len, header(a)))
			break;
		finish(a, a->in, len);
		return;
	}
	finish(a, NULL, 0);
}

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct dns_ask *a = arg;

	(void)src;
	(void)fd;
	if (a->out_done < a->out_len && !send_rest(a))
		return;
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	if (a->tcp)
		receive_stream(a);
	else
		receive_datagram(a);
}

struct dns_ask *dns_ask(struct loop *loop, int fd, bool tcp, const struct sockaddr_in *to,
			const uint8_t *query, size_t len, int64_t ms, dns_answer_cb cb, void *arg)
{
	size_t head = tcp ? 2 : 0;
	struct dns_ask *a = xcalloc(1, sizeof(*a));

	*a = (struct dns_ask){ .fd = fd, .tcp = tcp, .cb = cb, .arg = arg };
	a->out_len = head + len;
	a->out = xmalloc(a->out_len);
	if (tcp) {
		a->out[0] = (uint8_t)(len >> 8);
		a->out[1] = (uint8_t)len;
	}
	memcpy(a->out + head, query, len);
	/* What fails at once is told by the limit: never from here. */
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		ms = 0;
	else
		a->src = loop_add_fd(loop, fd, EPOLLIN | EPOLLOUT, on_event, a);
	a->limit = loop_add_timer(loop, a->src ? ms : 0, on_limit, a);
	return a;
}
