/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vsock_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "vmm/virtio/vsock_doorman.h"

#define ACCEPT_AT_ONCE 32
/* After accept() failed for want of descriptors or streams, clients wait this long. */
#define ACCEPT_PAUSE_MS 50

/*
 * The port of a client's line, which ends before @end; -EINVAL for any other word. Kata's
 * two runtimes and Firecracker's documents disagree about the capitals.
 */
static int parse_greeting(char *line, char *end, uint32_t *port)
{
	static const char word[] = "connect ";
	long long v;

	*end = '\0';
	if (strncasecmp(line, word, sizeof(word) - 1) != 0)
		return -EINVAL;
	/* Digits only: no sign, and no NUL that would end the text early. */
	if (line[sizeof(word) - 1] == '-' || strlen(line) != (size_t)(end - line) ||
	    str_to_ll(line + sizeof(word) - 1, 0, UINT32_MAX, &v) < 0)
		return -EINVAL;
	*port = (uint32_t)v;
	return 0;
}

/*
 * A client that has not said its line, or not all of it. What stands behind the line is
 * the stream's and stays in the socket.
 */
static void greet(struct vsock *v, struct vsock_stream *s, bool ended)
{
	char line[VSOCK_GREETING_MAX];
	ssize_t n = recv(s->fd, line, sizeof(line), MSG_PEEK | MSG_DONTWAIT);
	char *end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;
	uint32_t port;

	if (!end) {
		bool more = n < 0 ? errno == EAGAIN || errno == EINTR :
				    n > 0 && n < (ssize_t)sizeof(line) && !ended;

		if (!more)
			vsock_table_drop(&v->table, s);
		return;
	}
	n = end + 1 - line;
	if (recv(s->fd, line, (size_t)n, MSG_DONTWAIT) != n ||
	    parse_greeting(line, end, &port) < 0) {
		log_debug("vsock: a client of %s said neither CONNECT nor a port", v->dev.id);
		vsock_table_drop(&v->table, s);
		return;
	}
	vsock_table_hash(&v->table, s, vsock_table_free_port(&v->table, port), port);
	s->phase = VSOCK_ASKING;
	s->owes_request = true;
	vsock_mux_settle(v, s);
}

static void on_socket(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct vsock_stream *s = arg;
	struct vsock *v = s->owner;

	(void)src;
	(void)fd;
	vsock_stream_event(s, events);
	if (s->phase == VSOCK_GREETING)
		greet(v, s, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
	else if (s->phase == VSOCK_ASKING && events & (EPOLLHUP | EPOLLERR))
		vsock_mux_abandon(v, s);
	else
		vsock_mux_settle(v, s);
	vsock_mux_run(v);
}

/* Give @s its socket, which is taken over. */
static bool attach(struct vsock *v, struct vsock_stream *s, int fd)
{
	struct loop_source *src = loop_add_fd(v->dev.loop, fd, VSOCK_STREAM_EVENTS, on_socket, s);

	if (!src)
		close(fd);
	else
		vsock_stream_attach(s, fd, src);
	return src;
}

static void set_up_timer(struct vsock *v);

static void setup_timed_out(void *arg)
{
	struct vsock *v = arg;
	int64_t now = loop_now_ms();
	struct list *it, *next;

	v->setup_timer = NULL;
	list_for_each_safe(it, next, &v->table.setup) {
		struct vsock_stream *s = container_of(it, struct vsock_stream, link);

		if (s->deadline > now)
			break;
		vsock_mux_abandon(v, s);
	}
	set_up_timer(v);
	vsock_mux_run(v);
}

/* One timer for all: every stream has the same time, so the oldest is the next. */
static void set_up_timer(struct vsock *v)
{
	struct vsock_stream *s;

	if (v->setup_timer || list_empty(&v->table.setup))
		return;
	s = container_of(v->table.setup.next, struct vsock_stream, link);
	v->setup_timer =
		loop_add_timer(v->dev.loop, s->deadline - loop_now_ms(), setup_timed_out, v);
}

/* A stream that is to be open within its time. */
static struct vsock_stream *new_stream(struct vsock *v)
{
	struct vsock_stream *s = vsock_table_add(&v->table);

	if (s) {
		s->owner = v;
		s->deadline = loop_now_ms() + v->setup_ms;
		set_up_timer(v);
	}
	return s;
}

static void accept_again(void *arg)
{
	struct vsock *v = arg;

	v->listener_pause = NULL;
	loop_set_events(v->listener_src, EPOLLIN);
}

static void on_listener(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct vsock *v = arg;

	(void)events;
	for (unsigned i = 0; i < ACCEPT_AT_ONCE; i++) {
		struct vsock_stream *s;
		int client = -1;

		if (vsock_table_has_room(&v->table))
			client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		else
			errno = EMFILE;
		if (client < 0) {
			if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
				break;
			/* They wait in the backlog until there is room. */
			loop_set_events(src, 0);
			v->listener_pause =
				loop_add_timer(v->dev.loop, ACCEPT_PAUSE_MS, accept_again, v);
			break;
		}
		s = new_stream(v);
		if (!s)
			close(client);
		else if (!attach(v, s, client))
			vsock_table_drop(&v->table, s);
	}
}

static void answered(struct vsock *v, const struct vsock_answer *answer, int fd)
{
	const struct vsock_call *call = &answer->call;
	struct vsock_stream *s = vsock_table_find(&v->table, call->host_port, call->guest_port);

	if (!s || s->phase != VSOCK_CALLING) { /* the guest did not wait for it */
		close_fd(&fd);
		return;
	}
	if (fd < 0 || !attach(v, s, fd)) {
		vsock_mux_abandon(v, s);
		return;
	}
	s->phase = VSOCK_OPEN;
	s->owes_response = true;
	vsock_table_opened(&v->table, s);
	vsock_mux_settle(v, s);
}

static void on_doorman(struct loop_source *src, int sock, uint32_t events, void *arg)
{
	struct vsock *v = arg;
	struct vsock_answer answer;
	int fd, r;

	(void)src;
	(void)events;
	while ((r = vsock_doorman_answer(sock, &answer, &fd)) > 0)
		answered(v, &answer, fd);
	if (r < 0) {
		log_warn("vsock %s: the guest connects to nobody any more: %s", v->dev.id,
			 strerror(-r));
		loop_remove(&v->doorman_src);
		close_fd(&v->doorman);
	}
	vsock_mux_run(v);
}

struct vsock_stream *vsock_host_call(struct vsock *v, uint32_t host_port, uint32_t guest_port)
{
	struct vsock_call call = { host_port, guest_port };
	struct vsock_stream *s;

	if (v->doorman < 0 || !vsock_table_has_room(&v->table) ||
	    vsock_doorman_call(v->doorman, &call) < 0)
		return NULL;
	s = new_stream(v);
	if (s) {
		s->phase = VSOCK_CALLING;
		vsock_table_hash(&v->table, s, host_port, guest_port);
	}
	return s;
}

int vsock_host_start(struct vsock *v, struct err *err)
{
	if (v->listener >= 0)
		v->listener_src = loop_add_fd(v->dev.loop, v->listener, EPOLLIN, on_listener, v);
	if (v->doorman >= 0)
		v->doorman_src = loop_add_fd(v->dev.loop, v->doorman, EPOLLIN, on_doorman, v);
	if ((v->listener >= 0 && !v->listener_src) || (v->doorman >= 0 && !v->doorman_src))
		return err_sys(err, errno, "vsock: cannot watch its sockets");
	return 0;
}

void vsock_host_stop(struct vsock *v)
{
	loop_remove(&v->listener_src);
	loop_remove(&v->listener_pause);
	loop_remove(&v->doorman_src);
	loop_remove(&v->setup_timer);
}

bool vsock_host_accepted(struct vsock_stream *s)
{
	char line[VSOCK_GREETING_MAX];
	int n = snprintf(line, sizeof(line), "OK %u\n", s->host_port);

	return send(s->fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) == n;
}
