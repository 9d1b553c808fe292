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

#define NAMES_PORT 53
#define ANSWER_S   5 /* the kernel gives it at once */

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

static bool is_at(const struct inet_diag_msg *d, struct in_addr at)
{
	uint16_t port = ntohs(d->id.idiag_sport);

	return d->idiag_state == TCP_LISTEN && d->id.idiag_src[0] == at.s_addr &&
	       (port == NAMES_PORT || ntohl(at.s_addr) != INADDR_LOOPBACK);
}

static int on_one(const struct nlmsghdr *m, void *arg)
{
	const struct inet_diag_msg *d = NLMSG_DATA(m);
	struct in_addr at = *(struct in_addr *)arg;

	return m->nlmsg_type == SOCK_DIAG_BY_FAMILY && m->nlmsg_len >= NLMSG_LENGTH(sizeof(*d)) &&
	       is_at(d, at);
}

static void begin(struct str *m, uint8_t family)
{
	const struct inet_diag_req_v2 req = {
		.sdiag_family = family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = 1 << TCP_LISTEN,
	};

	nl_begin(m, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req, sizeof(req));
}

bool listeners_serve_names(int nl, struct in_addr at)
{
	auto_str struct str m = STR_INIT;

	begin(&m, AF_INET);
	return nl_send(nl, &m, on_one, &at) == 1;
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
		auto_str struct str m = STR_INIT;

		begin(&m, families[i]);
		r = nl_send(nl, &m, on_message, &found);
		/* A kernel without IPv6. */
		if (families[i] == AF_INET6 && r == -ENOENT)
			r = 0;
	}
	if (r == 0)
		*l = found;
	return r;
}
