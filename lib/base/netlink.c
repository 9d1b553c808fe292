/* SPDX-License-Identifier: Apache-2.0 */
#include "base/netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define ANSWER_S   5
#define BUFFER_LEN 32768 /* the kernel's own for dumps */

int nl_open(struct err *err)
{
	auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct timeval limit = { .tv_sec = ANSWER_S };

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return err_sys(err, errno, "netlink");
	return take_fd(&fd);
}

static void pad(struct str *m)
{
	static const char zeros[NLMSG_ALIGNTO];

	str_add(m, zeros, NLMSG_ALIGN(m->len) - m->len);
}

void nl_begin(struct str *m, uint16_t type, uint16_t flags, const void *header, size_t len)
{
	struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags };

	str_add(m, &h, sizeof(h));
	str_add(m, header, len);
	pad(m);
}

void nl_attr(struct str *m, uint16_t type, const void *data, size_t len)
{
	struct rtattr a = { .rta_len = (unsigned short)RTA_LENGTH(len), .rta_type = type };

	str_add(m, &a, sizeof(a));
	str_add(m, data, len);
	pad(m);
}

void nl_attr_u32(struct str *m, uint16_t type, uint32_t value)
{
	nl_attr(m, type, &value, sizeof(value));
}

size_t nl_nest(struct str *m, uint16_t type)
{
	size_t begin = m->len;

	nl_attr(m, type, NULL, 0);
	return begin;
}

void nl_nest_end(struct str *m, size_t begin)
{
	struct rtattr *a = (struct rtattr *)(void *)(m->data + begin);

	a->rta_len = (unsigned short)(m->len - begin);
}

/* 1: there is more to come. 0: the end. Else the error. */
static int take(const struct nlmsghdr *h, nl_message_fn fn, void *arg, int *r)
{
	if (h->nlmsg_type == NLMSG_DONE)
		return 0;
	if (h->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = NLMSG_DATA(h);

		if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
			return -EPROTO;
		return e->error;
	}
	if (*r == 0 && fn)
		*r = fn(h, arg);
	return 1;
}

/* All messages of one datagram with our number; as take(). */
static int take_all(const void *buf, size_t left, uint32_t sequence, nl_message_fn fn, void *arg,
		    int *r)
{
	const struct nlmsghdr *h = buf;
	int more = 1;

	while (more == 1 && left >= sizeof(*h) && h->nlmsg_len >= sizeof(*h) &&
	       h->nlmsg_len <= left) {
		size_t step = NLMSG_ALIGN(h->nlmsg_len);

		if (h->nlmsg_seq == sequence)
			more = take(h, fn, arg, r);
		/* NLMSG_NEXT() would go below 0 behind a last message that is not padded. */
		left -= step < left ? step : left;
		h = (const void *)((const char *)h + step);
	}
	return more;
}

int nl_send(int fd, struct str *m, nl_message_fn fn, void *arg)
{
	static uint32_t sequence;
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)m->data;
	auto_free void *buf = xmalloc(BUFFER_LEN);
	int more = 1, r = 0;

	h->nlmsg_len = (uint32_t)m->len;
	h->nlmsg_seq = ++sequence;
	/* NLM_F_REPLACE has one of its bits. */
	if ((h->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		h->nlmsg_flags |= NLM_F_ACK;
	if (send(fd, m->data, m->len, 0) < 0)
		return -errno;
	while (more == 1) {
		ssize_t n = recv(fd, buf, BUFFER_LEN, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n == 0)
			return -EPROTO;
		more = take_all(buf, (size_t)n, sequence, fn, arg, &r);
	}
	return more < 0 ? more : r;
}

static const struct rtattr *find(const struct rtattr *a, int left, uint16_t type, size_t min)
{
	for (; left > 0 && RTA_OK(a, left); a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return RTA_PAYLOAD(a) >= min ? a : NULL;
	return NULL;
}

const struct rtattr *nl_find(const struct nlmsghdr *m, size_t len, uint16_t type, size_t min)
{
	return find((const void *)((const char *)m + NLMSG_SPACE(len)),
		    (int)m->nlmsg_len - (int)NLMSG_SPACE(len), type, min);
}

const struct rtattr *nl_find_in(const struct rtattr *a, uint16_t type, size_t min)
{
	return a ? find(RTA_DATA(a), (int)RTA_PAYLOAD(a), type, min) : NULL;
}
