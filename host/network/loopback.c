/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/loopback.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/log.h"
#include "base/pump.h"
#include "base/str.h"
#include "host/network/listeners.h"
#include "host/network/netns.h"
#include "host/network/sk_lookup.h"

#define DIAG_MODULE "/sys/module/tcp_diag"

#define BACKLOG	    128
#define ACCEPT_MAX  16	 /* at a time: others have work to do, too */
#define LOOK_MS	    3000 /* whether somebody who listened still does */
#define FIRST_MS    1000 /* who listened before, where asking is dear */
#define CARRIED_MAX 64

struct net_loopback {
	struct loop *loop;
	net_loopback_cb cb;
	void *arg;
	int netns, nl;
	int listener[2]; /* IPv4, IPv6; -1: none */
	struct loop_source *src[2], *look;
	struct sk_lookup lookup;
	struct listeners others;
	bool blind;	     /* the kernel cannot tell who listens */
	struct list carried; /* struct carried */
	size_t n_carried;
};

/* A connection to somebody who has begun to listen: both halves of it. */
struct carried {
	struct list link;
	struct net_loopback *l;
	struct pump *half[2];
};

void net_loopback_reset(int fd)
{
	struct linger reset = { .l_onoff = 1 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

/* ---- the ports of others ----------------------------------------------------- */

static void look_at_others(struct net_loopback *l);

static void on_look(void *arg)
{
	struct net_loopback *l = arg;

	l->look = NULL;
	look_at_others(l);
}

static void look_at_others(struct net_loopback *l)
{
	struct listeners before = l->others;
	int r = l->blind ? 0 : listeners_read(l->nl, &l->others);

	/* Asked again it would look for its module again, with a process for it. */
	l->blind |= r == -ENOENT;
	if (r < 0)
		log_warn("loopback: who listens in the pod's network: %s", strerror(-r));
	for (size_t i = 0; i < before.n; i++)
		if (!listeners_have(&l->others, before.port[i]))
			(void)sk_lookup_leave(&l->lookup, before.port[i], false);
	for (size_t i = 0; i < l->others.n; i++)
		if (!listeners_have(&before, l->others.port[i]))
			(void)sk_lookup_leave(&l->lookup, l->others.port[i], true);
	loop_remove(&l->look);
	if (l->others.n > 0)
		l->look = loop_add_timer(l->loop, LOOK_MS, on_look, l);
}

static void end_carried(struct carried *c)
{
	pump_stop(&c->half[0]);
	pump_stop(&c->half[1]);
	list_del(&c->link);
	c->l->n_carried--;
	free(c);
}

static void on_half(struct carried *c, int i)
{
	c->half[i] = NULL;
	if (!c->half[!i])
		end_carried(c);
}

static void on_first_half(void *arg)
{
	on_half(arg, 0);
}

static void on_second_half(void *arg)
{
	on_half(arg, 1);
}

/* To who listens there: our program leaves him alone from now on, and so he is reached. */
static void carry(struct net_loopback *l, int fd, const struct sockaddr_storage *to)
{
	socklen_t len =
		to->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	auto_close int there = -1, back = -1, forth = -1;
	int home, r = netns_enter(l->netns, &home, NULL);
	struct carried *c;

	if (r == 0) {
		there = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		netns_leave(&home);
	}
	if (there < 0 || l->n_carried == CARRIED_MAX ||
	    (connect(there, (const struct sockaddr *)to, len) < 0 && errno != EINPROGRESS) ||
	    (forth = fcntl(there, F_DUPFD_CLOEXEC, 0)) < 0 ||
	    (back = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0) {
		net_loopback_reset(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->l = l;
	list_add_tail(&l->carried, &c->link);
	l->n_carried++;
	c->half[0] = pump_start(l->loop, fd, take_fd(&forth), false, on_first_half, c);
	c->half[1] = pump_start(l->loop, take_fd(&there), take_fd(&back), false, on_second_half, c);
}

/* ---- connections --------------------------------------------------------------- */

static void on_connection(struct net_loopback *l, int fd)
{
	struct sockaddr_storage to = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(to);
	uint16_t port;

	/* What it was made to is the socket's own name. */
	if (getsockname(fd, (struct sockaddr *)&to, &len) < 0) {
		close(fd);
		return;
	}
	port = ntohs(to.ss_family == AF_INET ? ((struct sockaddr_in *)&to)->sin_port :
					       ((struct sockaddr_in6 *)&to)->sin6_port);
	look_at_others(l);
	if (listeners_have(&l->others, port))
		carry(l, fd, &to);
	else
		l->cb(fd, &to, l->arg);
}

static void on_accept(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct net_loopback *l = arg;

	(void)src;
	(void)events;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (client < 0)
			return;
		on_connection(l, client);
	}
}

/* @family's loopback, at a port that the kernel chooses: what the program hands it has others. */
static int listen_there(int family, ino_t *inode)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const struct sockaddr *at =
		family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	auto_close int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;
	int one = 1;

	/* The address may come later: the device is down, or IPv6 is turned off on it. */
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) < 0 ||
	    bind(fd, at, family == AF_INET ? sizeof(v4) : sizeof(v6)) < 0 ||
	    listen(fd, BACKLOG) < 0 || fstat(fd, &st) < 0)
		return -errno;
	*inode = st.st_ino;
	return take_fd(&fd);
}

static int open_sockets(struct net_loopback *l, struct err *err)
{
	int home, r = netns_enter(l->netns, &home, err);

	if (r < 0)
		return r;
	l->listener[0] = listen_there(AF_INET, &l->others.except[0]);
	l->listener[1] = listen_there(AF_INET6, &l->others.except[1]);
	l->nl = listeners_open(err);
	netns_leave(&home);
	if (l->nl < 0)
		return l->nl;
	/* IPv6 is not everywhere. */
	if (l->listener[0] < 0 && l->listener[1] < 0)
		return err_sys(err, l->listener[0], "listen");
	return 0;
}

static int start(struct net_loopback *l, struct err *err)
{
	int r = open_sockets(l, err);

	for (int i = 0; r == 0 && i < 2; i++) {
		if (l->listener[i] < 0)
			continue;
		l->src[i] = loop_add_fd(l->loop, l->listener[i], EPOLLIN, on_accept, l);
		if (!l->src[i])
			r = err_sys(err, errno, "listen");
	}
	if (r == 0)
		r = sk_lookup_attach(l->netns, l->listener[0], l->listener[1], &l->lookup, err);
	/*
	 * A kernel that has not loaded its means to tell who listens does so now, for which we
	 * would wait, and a container's start with us. Whoever connects until then is carried.
	 */
	if (r == 0 && access(DIAG_MODULE, F_OK) == 0)
		look_at_others(l);
	else if (r == 0)
		l->look = loop_add_timer(l->loop, FIRST_MS, on_look, l);
	return r;
}

/* The host's programs speak to each other there. */
static bool is_hosts(int netns)
{
	struct netns_id id, first;
	auto_close int fd = netns_open("/proc/1/ns/net", NULL);

	return netns_is_ours(netns) || (fd >= 0 && netns_identify(fd, &first, NULL) == 0 &&
					netns_identify(netns, &id, NULL) == 0 &&
					id.dev == first.dev && id.ino == first.ino);
}

struct net_loopback *net_loopback_open(struct loop *loop, int netns, net_loopback_cb cb, void *arg,
				       struct err *err)
{
	struct net_loopback *l;

	if (is_hosts(netns)) {
		err_set(err, EBUSY, "the pod's network is the host's");
		return NULL;
	}
	l = xcalloc(1, sizeof(*l));
	*l = (struct net_loopback){
		.loop = loop,
		.cb = cb,
		.arg = arg,
		.netns = fcntl(netns, F_DUPFD_CLOEXEC, 0),
		.nl = -1,
		.listener = { -1, -1 },
		.lookup = SK_LOOKUP_NONE,
	};
	list_init(&l->carried);
	if (start(l, err) < 0)
		net_loopback_close(&l);
	return l;
}

void net_loopback_close(struct net_loopback **at)
{
	struct net_loopback *l = *at;

	if (!l)
		return;
	*at = NULL;
	sk_lookup_detach(&l->lookup);
	while (!list_empty(&l->carried))
		end_carried(container_of(l->carried.next, struct carried, link));
	loop_remove(&l->look);
	for (int i = 0; i < 2; i++) {
		loop_remove(&l->src[i]);
		close_fd(&l->listener[i]);
	}
	close_fd(&l->nl);
	close_fd(&l->netns);
	free(l);
}
