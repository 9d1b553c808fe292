/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "dns/capture.h"
#include "dns/front.h"

#define BACKLOG 32

static const int one = 1;

static int open_bound(int type, const struct sockaddr_in *at, bool any)
{
	auto_close int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo")) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (any && setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one)) < 0) ||
	    bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0)
		return -errno;
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return -errno;
	/* The address that it was sent to is the one to answer from. */
	if (type == SOCK_DGRAM && setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* @any: what it is sent to may be no address of this network's. */
static int open_at(struct dns_sockets *s, const struct sockaddr_in *at, bool any)
{
	int r;

	*s = (struct dns_sockets)DNS_SOCKETS_NONE;
	s->udp = r = open_bound(SOCK_DGRAM, at, any);
	if (r >= 0)
		s->tcp = r = open_bound(SOCK_STREAM, at, any);
	if (r >= 0) {
		s->raw = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW);
		r = s->raw < 0 ? -errno : 0;
	}
	if (r < 0)
		dns_sockets_close(s);
	return r < 0 ? r : 0;
}

int dns_sockets_open(struct dns_sockets *s, const struct in_addr *servers, size_t n,
		     struct err *err)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int r = open_at(s, &at, n == 0);

	if (r == 0)
		s->capture = r = dns_capture(s, servers, n);
	if (r >= 0)
		return 0;
	dns_sockets_close(s);
	log_info("questions of names: the port %d is taken for them, as no program chooses: %s",
		 DNS_PORT, strerror(-r));
	at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(DNS_PORT) };
	if (n > 0)
		at.sin_addr = servers[0];
	r = open_at(s, &at, n == 0);
	return r < 0 ? err_sys(err, r, "sockets for questions of names") : 0;
}

void dns_sockets_close(struct dns_sockets *s)
{
	close_fd(&s->udp);
	close_fd(&s->tcp);
	close_fd(&s->raw);
	close_fd(&s->capture);
}
