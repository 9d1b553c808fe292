/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "ttrpc/session.h"

#define ACCEPT_RETRY_MS 100 /* after running out of descriptors */

struct listener {
	struct list link;
	struct ttrpc_server *srv;
	int fd;
	struct loop_source *src, *retry;
};

static void session_free(struct session *s)
{
	list_del(&s->link);
	s->srv->n_sessions--;
	while (!list_empty(&s->calls))
		call_detach(container_of(s->calls.next, struct ttrpc_call, link));
	conn_free(s->conn);
	free(s);
}

static void on_frame(struct conn *c, const struct frame *f, void *arg)
{
	(void)c;
	session_frame(arg, f);
}

static void on_closed(struct conn *c, const struct err *err, void *arg)
{
	struct session *s = arg;
	struct list calls = LIST_INIT(calls);

	(void)c;
	log_debug("ttrpc: %s", err_msg(err));
	session_take_calls(s, &calls);
	session_free(s);
	call_cancel_all(&calls);
}

static void on_lost(struct conn *c, void *arg)
{
	struct session *s = arg;
	struct list calls = LIST_INIT(calls);

	(void)c;
	s->last_stream = 0;
	session_take_calls(s, &calls);
	call_cancel_all(&calls);
}

static int session_new(struct ttrpc_server *srv, int fd, bool serial)
{
	static const struct conn_ops ops = {
		.frame = on_frame,
		.closed = on_closed,
		.lost = on_lost,
	};
	struct session *s = xcalloc(1, sizeof(*s));
	int r;

	s->srv = srv;
	list_init(&s->calls);
	s->conn = conn_new(srv->loop, fd, &ops, s, &r);
	if (!s->conn) {
		free(s);
		return r;
	}
	list_add_tail(&srv->sessions, &s->link);
	srv->n_sessions++;
	if (serial)
		serial_serve(s->conn);
	return 0;
}

int ttrpc_server_serve(struct ttrpc_server *srv, int fd)
{
	return session_new(srv, fd, false);
}

int ttrpc_server_serve_serial(struct ttrpc_server *srv, int fd)
{
	return session_new(srv, fd, true);
}

void ttrpc_server_observe(struct ttrpc_server *srv, ttrpc_observer fn, void *arg)
{
	srv->observer = fn;
	srv->observer_arg = arg;
}

size_t ttrpc_server_connections(const struct ttrpc_server *srv)
{
	return srv->n_sessions;
}

/* ---- listening ------------------------------------------------------------- */

static void on_retry(void *arg)
{
	struct listener *l = arg;

	l->retry = NULL;
	loop_set_events(l->src, EPOLLIN);
}

static void on_accept(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct listener *l = arg;
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (conn >= 0) {
		int r = ttrpc_server_serve(l->srv, conn);

		if (r < 0)
			log_error("ttrpc: cannot serve a connection: %s", strerror(-r));
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return; /* that one connection failed, or is gone */
	log_error("ttrpc: cannot accept: %s", strerror(errno));
	loop_set_events(src, 0);
	l->retry = loop_add_timer(l->srv->loop, ACCEPT_RETRY_MS, on_retry, l);
}

int ttrpc_server_listen(struct ttrpc_server *srv, int fd)
{
	struct listener *l;
	int r = fd_set_nonblock(fd, true);

	if (r < 0) {
		close_fd(&fd);
		return r;
	}
	l = xcalloc(1, sizeof(*l));
	l->srv = srv;
	l->fd = fd;
	l->src = loop_add_fd(srv->loop, fd, EPOLLIN, on_accept, l);
	if (!l->src) {
		r = -errno;
		close_fd(&fd);
		free(l);
		return r;
	}
	list_add_tail(&srv->listeners, &l->link);
	return 0;
}

static void listener_free(struct listener *l)
{
	list_del(&l->link);
	loop_remove(&l->src);
	loop_remove(&l->retry);
	close_fd(&l->fd);
	free(l);
}

/* ---- the server ------------------------------------------------------------ */

struct ttrpc_server *ttrpc_server_new(struct loop *loop)
{
	struct ttrpc_server *srv = xcalloc(1, sizeof(*srv));

	srv->loop = loop;
	list_init(&srv->services);
	list_init(&srv->listeners);
	list_init(&srv->sessions);
	return srv;
}

void ttrpc_server_add(struct ttrpc_server *srv, const ProtobufCServiceDescriptor *service,
		      const struct ttrpc_method *methods, void *ctx)
{
	struct service *svc = xcalloc(1, sizeof(*svc));

	svc->desc = service;
	svc->methods = methods;
	svc->ctx = ctx;
	list_add_tail(&srv->services, &svc->link);
}

void ttrpc_server_free(struct ttrpc_server *srv)
{
	if (!srv)
		return;
	while (!list_empty(&srv->sessions))
		session_free(container_of(srv->sessions.next, struct session, link));
	while (!list_empty(&srv->listeners))
		listener_free(container_of(srv->listeners.next, struct listener, link));
	while (!list_empty(&srv->services)) {
		struct service *svc = container_of(srv->services.next, struct service, link);

		list_del(&svc->link);
		free(svc);
	}
	free(srv);
}
