/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/watch.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/network/netns.h"

#define BUFFER_LEN 32768

/* Somebody who changes things without an end does not keep us from looking at them. */
#define MESSAGES_MAX 10000

struct net_watch {
	struct loop *loop;
	int fd;
	struct loop_source *src, *soon;
	int64_t delay;
	net_changed_cb cb;
	void *arg;
};

static void on_soon(void *arg)
{
	struct net_watch *w = arg;

	w->soon = NULL;
	w->cb(w->arg);
}

/* Who speaks with whom changes all the time, and the guest finds out by itself. */
static bool matters(const struct nlmsghdr *m)
{
	const struct ndmsg *n = NLMSG_DATA(m);

	if (m->nlmsg_type != RTM_NEWNEIGH && m->nlmsg_type != RTM_DELNEIGH)
		return true;
	return m->nlmsg_len >= NLMSG_LENGTH(sizeof(*n)) && (n->ndm_state & NUD_PERMANENT);
}

static bool any_matters(const void *buf, size_t left)
{
	const struct nlmsghdr *m = buf;

	while (left >= sizeof(*m) && m->nlmsg_len >= sizeof(*m) && m->nlmsg_len <= left) {
		size_t step = NLMSG_ALIGN(m->nlmsg_len);

		if (matters(m))
			return true;
		left -= step < left ? step : left;
		m = (const void *)((const char *)m + step);
	}
	return false;
}

/* 1: something that matters; 0: nothing that does; -1: there is no more to read. */
static int read_one(struct net_watch *w)
{
	auto_free void *buf = xmalloc(BUFFER_LEN);
	ssize_t n = recv(w->fd, buf, BUFFER_LEN, MSG_DONTWAIT);

	/* More was lost than was read: there is something to look at in any case. */
	if (n < 0)
		return errno == ENOBUFS ? 1 : -1;
	return any_matters(buf, (size_t)n);
}

static void on_message(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct net_watch *w = arg;

	(void)src;
	(void)fd;
	(void)events;
	if (read_one(w) > 0 && !w->soon)
		w->soon = loop_add_timer(w->loop, w->delay, on_soon, w);
}

bool net_watch_take(struct net_watch *w)
{
	bool changed = !w || w->soon;
	int r;

	for (int i = 0; w && i < MESSAGES_MAX && (r = read_one(w)) >= 0; i++)
		changed = changed || r > 0;
	if (w)
		loop_remove(&w->soon);
	return changed;
}

static int subscribe(int fd, struct err *err)
{
	static const int groups[] = { RTNLGRP_LINK,	  RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
				      RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_NEIGH };
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };

	/* A socket without an address of its own is taken for the kernel's, and hears nothing. */
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return err_sys(err, errno, "cannot watch the network namespace");

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return err_sys(err, errno, "cannot watch the network namespace");
	return 0;
}

struct net_watch *net_watch_new(struct loop *loop, int netns, int64_t delay_ms, net_changed_cb cb,
				void *arg, struct err *err)
{
	auto_close int fd = netns_netlink(netns, err);
	struct net_watch *w;

	if (fd < 0 || subscribe(fd, err) < 0)
		return NULL;
	w = xcalloc(1, sizeof(*w));
	*w = (struct net_watch){ .loop = loop, .delay = delay_ms, .cb = cb, .arg = arg };
	w->src = loop_add_fd(loop, fd, EPOLLIN, on_message, w);
	if (!w->src) {
		err_sys(err, errno, "cannot watch the network namespace");
		free(w);
		return NULL;
	}
	w->fd = take_fd(&fd);
	return w;
}

void net_watch_free(struct net_watch *w)
{
	if (!w)
		return;
	loop_remove(&w->src);
	loop_remove(&w->soon);
	close(w->fd);
	free(w);
}
