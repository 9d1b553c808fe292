/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/netlink.h"

#define ANSWER_S 5 /* the kernel gives it at once */

int listeners_open(struct err *err)
{
	auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct timeval limit = { .tv_sec = ANSWER_S };

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return err_sys(err, errno, "who listens in a namespace");
	return take_fd(&fd);
}

/* Everywhere, or on the loopback. */
static bool is_reached(const struct inet_diag_msg *d)
{
	struct in6_addr a;

	memcpy(&a, d->id.idiag_src, sizeof(a));
	if (d->idiag_family == AF_INET)
		return d->id.idiag_src[0] == 0 || a.s6_addr[0] == 127;
	if (IN6_IS_ADDR_V4MAPPED(&a))
		return a.s6_addr[12] == 127 || a.s6_addr32[3] == 0;
	return IN6_IS_ADDR_UNSPECIFIED(&a) || IN6_IS_ADDR_LOOPBACK(&a);
}

bool listeners_have(const struct listeners *l, uint16_t port)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->port[i] == port)
			return true;
	return false;
}

void listeners_take(const struct nlmsghdr *m, struct listeners *l)
{
	const struct inet_diag_msg *d = NLMSG_DATA(m);
	uint16_t port;

	if (m->nlmsg_type != SOCK_DIAG_BY_FAMILY || m->nlmsg_len < NLMSG_LENGTH(sizeof(*d)))
		return;
	port = ntohs(d->id.idiag_sport);
	if (d->idiag_state != TCP_LISTEN || !port || !is_reached(d) || l->n == LISTENERS_MAX)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(l->except); i++)
		if (l->except[i] && d->idiag_inode == l->except[i])
			return;
	if (!listeners_have(l, port))
		l->port[l->n++] = port;
}

static int on_message(const struct nlmsghdr *m, void *arg)
{
	listeners_take(m, arg);
	return 0;
}

int listeners_read(int nl, struct listeners *l)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct listeners found = { .except = { l->except[0], l->except[1] } };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		struct inet_diag_req_v2 req = {
			.sdiag_family = families[i],
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = 1 << TCP_LISTEN,
		};
		auto_str struct str m = STR_INIT;

		nl_begin(&m, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req, sizeof(req));
		r = nl_send(nl, &m, on_message, &found);
		/* A kernel without IPv6. */
		if (families[i] == AF_INET6 && r == -ENOENT)
			r = 0;
	}
	if (r == 0)
		*l = found;
	return r;
}
