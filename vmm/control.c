/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/control.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"

/* An answer and both events: no request is read while one of them waits. */
#define QUEUE_MAX 3

/* How long the last message may wait for a reader. */
#define FLUSH_MS 100

/* How long callers wait after accept() failed, for want of descriptors as a rule. */
#define ACCEPT_PAUSE_MS 50

struct control {
	struct loop *loop;
	const struct control_ops *ops;
	void *arg;
	int listen_fd; /* or -1: there is one connection, for life */
	int fd;	       /* -1: nobody is there */
	struct loop_source *listener, *src;
	struct loop_source *listener_pause;
	bool started, ended;
	bool busy; /* the answer to a request is to come by control_answer() */
	struct str queue[QUEUE_MAX];
	unsigned queued;
};

/* ---- sending --------------------------------------------------------------- */

static void drop_queue(struct control *c)
{
	for (unsigned i = 0; i < c->queued; i++)
		str_free(&c->queue[i]);
	c->queued = 0;
}

static void disconnect(struct control *c, const char *why)
{
	loop_remove(&c->src);
	close_fd(&c->fd);
	drop_queue(c);
	c->busy = false;
	if (c->listen_fd < 0 && !c->ended)
		c->ops->stop(c->arg, why);
}

/* 0; -EAGAIN: some wait; another errno: the other side has gone. */
static int flush(struct control *c)
{
	while (c->queued > 0) {
		ssize_t n = fd_send(c->fd, c->queue[0].data, c->queue[0].len, NULL, 0);

		if (n < 0)
			return (int)n;
		str_free(&c->queue[0]);
		c->queued--;
		memmove(&c->queue[0], &c->queue[1], c->queued * sizeof(c->queue[0]));
		c->queue[c->queued] = (struct str)STR_INIT;
	}
	return 0;
}

/* What others wrote goes out as one line that anything can print. */
static void add_text(struct str *line, const char *text)
{
	if (!text || !*text)
		return;
	str_putc(line, ' ');
	for (; *text && line->len < VMM_MESSAGE_MAX; text++)
		str_putc(line, *text >= ' ' && *text <= '~' ? *text : '?');
}

static void say(struct control *c, const char *word, const char *text)
{
	struct str *line;
	int r;

	if (c->fd < 0 || c->queued == QUEUE_MAX)
		return;
	line = &c->queue[c->queued++];
	str_puts(line, word);
	add_text(line, text);
	r = flush(c);
	if (r == -EAGAIN)
		loop_set_events(c->src, EPOLLOUT);
	/* That it has gone is read from the socket, not here within an op. */
	else if (r < 0)
		drop_queue(c);
}

static void answer(struct control *c, int r, const char *text)
{
	say(c, r < 0 ? VMM_ANSWER_ERROR : VMM_ANSWER_OK, text);
}

/* What an operation returned: an answer, or nothing yet. */
static void result(struct control *c, int r, const struct err *err)
{
	c->busy = r == -EINPROGRESS;
	if (c->busy)
		loop_set_events(c->src, EPOLLRDHUP); /* its end, and nothing else */
	else
		answer(c, r, r < 0 ? err_msg(err) : NULL);
}

void control_answer(struct control *c, const struct err *err)
{
	if (!c || !c->busy)
		return;
	loop_set_events(c->src, EPOLLIN);
	result(c, err ? err->code : 0, err);
}

/* ---- requests -------------------------------------------------------------- */

static void do_pause(struct control *c, const char *arg)
{
	struct err err = ERR_INIT;
	int r;

	(void)arg;
	r = c->ops->pause ? c->ops->pause(c->arg, &err) :
			    err_set(&err, ENOTSUP, "the machine cannot pause");
	result(c, r, &err);
}

static void do_resume(struct control *c, const char *arg)
{
	struct err err = ERR_INIT;
	int r;

	(void)arg;
	r = c->ops->resume ? c->ops->resume(c->arg, &err) :
			     err_set(&err, ENOTSUP, "the machine cannot resume");
	result(c, r, &err);
}

static void do_stats(struct control *c, const char *arg)
{
	auto_str struct str out = STR_INIT;

	(void)arg;
	if (c->ops->stats)
		c->ops->stats(c->arg, &out);
	answer(c, 0, str_text(&out));
}

static void do_balloon(struct control *c, const char *arg)
{
	struct err err = ERR_INIT;
	long long mib;
	int r;

	if (str_to_ll(arg, 0, INT64_MAX >> 20, &mib) < 0)
		r = err_set(&err, EINVAL, "balloon: \"%s\" is no number of MiB", arg);
	else
		r = c->ops->balloon ? c->ops->balloon(c->arg, (uint64_t)mib, &err) :
				      err_set(&err, ENOTSUP, "the machine has no balloon");
	result(c, r, &err);
}

static void do_stop(struct control *c, const char *arg)
{
	(void)arg;
	answer(c, 0, NULL);
	c->ops->stop(c->arg, VMM_REQUEST_STOP);
}

static const struct request {
	const char *word;
	bool has_arg;
	void (*act)(struct control *c, const char *arg);
} requests[] = {
	{ VMM_REQUEST_PAUSE, false, do_pause },	   { VMM_REQUEST_RESUME, false, do_resume },
	{ VMM_REQUEST_STATS, false, do_stats },	   { VMM_REQUEST_STOP, false, do_stop },
	{ VMM_REQUEST_BALLOON, true, do_balloon },
};

static bool is_printable(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] < ' ' || line[i] > '~')
			return false;
	return true;
}

/* @line: @len bytes and a NUL. */
static void take(struct control *c, const char *line, size_t len)
{
	size_t word = strcspn(line, " ");
	struct err err = ERR_INIT;

	if (len > VMM_MESSAGE_MAX || !is_printable(line, len)) {
		answer(c, -EINVAL, "a request is one short line of printable characters");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		const struct request *r = &requests[i];

		if (strlen(r->word) != word || memcmp(r->word, line, word) != 0)
			continue;
		if (r->has_arg != (line[word] == ' '))
			answer(c, -EINVAL,
			       r->has_arg ? "the request needs an argument" :
					    "the request takes no argument");
		else
			r->act(c, line + word + r->has_arg);
		return;
	}
	err_set(&err, EINVAL, "the request \"%.32s\" is not known", line);
	answer(c, -EINVAL, err.msg);
}

/* One request a call, so that nobody keeps the loop for himself. */
static void receive(struct control *c)
{
	char line[VMM_MESSAGE_MAX + 2]; /* one byte more tells that it was too long */
	size_t none = 0;
	ssize_t n = fd_recv(c->fd, line, sizeof(line) - 1, NULL, &none);

	if (n == -EAGAIN)
		return;
	if (n == -EMSGSIZE) {
		answer(c, -EINVAL, "no request comes with descriptors");
		return;
	}
	if (n <= 0) {
		disconnect(c, "the control connection was closed");
		return;
	}
	line[n] = '\0';
	take(c, line, (size_t)n);
}

static void on_ready(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct control *c = arg;
	int r = flush(c);

	(void)fd;
	if (c->ended || r == -EAGAIN)
		return;
	if (r < 0) {
		disconnect(c, "the control connection was lost");
		return;
	}
	if (c->busy) {
		loop_set_events(src, EPOLLRDHUP);
		if (events & (EPOLLRDHUP | EPOLLHUP))
			disconnect(c, "the control connection was closed");
		return;
	}
	loop_set_events(src, EPOLLIN);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(c);
}

/* ---- connections ------------------------------------------------------------- */

static int attach(struct control *c, int fd)
{
	c->fd = fd;
	c->src = loop_add_fd(c->loop, fd, EPOLLIN, on_ready, c);
	if (c->src)
		return 0;
	close_fd(&c->fd);
	return -errno;
}

static void accept_again(void *arg)
{
	struct control *c = arg;

	c->listener_pause = NULL;
	loop_set_events(c->listener, EPOLLIN);
}

/* They are in the backlog until then: the loop would hear of them without end. */
static void rest_listener(struct control *c)
{
	loop_set_events(c->listener, 0);
	c->listener_pause = loop_add_timer(c->loop, ACCEPT_PAUSE_MS, accept_again, c);
}

static void on_caller(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct control *c = arg;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)src;
	(void)events;
	if (peer < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (peer < 0) {
		rest_listener(c);
		return;
	}
	/* The second of two is turned away at once. */
	if (c->fd >= 0)
		close(peer);
	else if (attach(c, peer) == 0 && c->started)
		say(c, VMM_EVENT_STARTED, NULL);
}

int control_listen(const char *path, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	auto_close int fd = -1;

	if (!*path || strlen(path) >= sizeof(sa.sun_path))
		return err_set(err, ENAMETOOLONG, "%s: the socket's path is empty or too long",
			       path);
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "socket");
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 1) < 0)
		return err_sys(err, errno, "%s: cannot listen", path);
	return take_fd(&fd);
}

static int option(int fd, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

static int serve(struct control *c, int *fd, struct err *err)
{
	int r;

	if (option(*fd, SO_DOMAIN) != AF_UNIX || option(*fd, SO_TYPE) != SOCK_SEQPACKET)
		return err_set(err, EINVAL,
			       "control: not a unix socket of the type SOCK_SEQPACKET");
	r = fd_set_nonblock(*fd, true);
	if (r < 0)
		return err_sys(err, r, "control");
	if (option(*fd, SO_ACCEPTCONN) == 1) {
		c->listen_fd = take_fd(fd);
		c->listener = loop_add_fd(c->loop, c->listen_fd, EPOLLIN, on_caller, c);
		r = c->listener ? 0 : -errno;
	} else {
		r = attach(c, take_fd(fd));
	}
	return r < 0 ? err_sys(err, r, "control") : 0;
}

struct control *control_new(struct loop *loop, int fd, const struct control_ops *ops, void *arg,
			    struct err *err)
{
	struct control *c = xcalloc(1, sizeof(*c));
	auto_close int own = fd;

	c->loop = loop;
	c->ops = ops;
	c->arg = arg;
	c->listen_fd = c->fd = -1;
	if (serve(c, &own, err) < 0) {
		control_free(c);
		return NULL;
	}
	return c;
}

/* ---- events -------------------------------------------------------------------- */

void control_started(struct control *c)
{
	if (!c || c->started)
		return;
	c->started = true;
	say(c, VMM_EVENT_STARTED, NULL);
}

void control_ended(struct control *c, enum vmm_end end, const char *text)
{
	auto_str struct str words = STR_INIT;
	int64_t limit = loop_now_ms() + FLUSH_MS;

	if (!c || c->ended)
		return;
	c->ended = true;
	str_printf(&words, "%s%s%s", vmm_end_word(end), text && *text ? " " : "", text ? text : "");
	say(c, VMM_EVENT_ENDED, str_text(&words));
	/* There is no later. */
	while (c->queued > 0 && loop_now_ms() < limit &&
	       fd_poll(c->fd, POLLOUT, (int)(limit - loop_now_ms())) > 0)
		if (flush(c) != -EAGAIN)
			break;
	loop_remove(&c->src);
	loop_remove(&c->listener);
	loop_remove(&c->listener_pause);
	close_fd(&c->fd);
	drop_queue(c);
}

void control_free(struct control *c)
{
	if (!c)
		return;
	loop_remove(&c->src);
	loop_remove(&c->listener);
	loop_remove(&c->listener_pause);
	close_fd(&c->fd);
	close_fd(&c->listen_fd);
	drop_queue(c);
	free(c);
}
