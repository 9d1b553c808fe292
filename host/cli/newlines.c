/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/newlines.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

/* One "\r" is taken away before each "\n"; what was held back comes first. The length. */
static size_t restore(struct newlines *n, const char *in, size_t len, char *out)
{
	size_t k = 0;

	for (size_t i = 0; i < len; i++) {
		if (n->held && in[i] != '\n')
			out[k++] = '\r';
		n->held = in[i] == '\r';
		if (!n->held)
			out[k++] = in[i];
	}
	return k;
}

/* At most what a pipe that is ready takes without a wait. False: there will be no more. */
static bool pass_on(struct newlines *n)
{
	char in[PIPE_BUF - 1], out[PIPE_BUF];
	ssize_t got;

	do
		got = read(n->from, in, sizeof(in));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	/* Where nobody reads any more it goes nowhere. */
	(void)fd_write_full(STDOUT_FILENO, out, restore(n, in, (size_t)got, out));
	return true;
}

static void on_output(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct newlines *n = arg;

	(void)fd;
	if (events & (EPOLLERR | EPOLLHUP))
		loop_remove(&n->out); /* nobody reads: no write waits any more */
	else
		loop_set_events(src, 0);
	if (pass_on(n))
		loop_set_events(n->in, EPOLLIN);
	else
		loop_remove(&n->in);
}

static void on_input(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct newlines *n = arg;

	(void)fd;
	(void)events;
	if (n->out) {
		loop_set_events(src, 0);
		loop_set_events(n->out, EPOLLOUT);
	} else if (!pass_on(n)) {
		loop_remove(&n->in);
	}
}

int newlines_begin(struct newlines *n, struct loop *loop, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "cannot make a pipe");
	*n = (struct newlines){ .loop = loop, .from = fds[0], .to = fds[1] };
	if (fcntl(n->from, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, errno, "cannot set up a pipe");
	n->in = loop_add_fd(loop, n->from, EPOLLIN, on_input, n);
	if (!n->in)
		return err_sys(err, errno, "cannot watch a pipe");
	/* Files are always ready, and cannot be watched. */
	n->out = loop_add_fd(loop, STDOUT_FILENO, 0, on_output, n);
	return 0;
}

void newlines_end(struct newlines *n, int ms)
{
	close_fd(&n->to);
	loop_remove(&n->in);
	loop_remove(&n->out);
	while (n->from >= 0 && fd_poll(n->from, POLLIN, ms) > 0 &&
	       fd_poll(STDOUT_FILENO, POLLOUT, ms) > 0 && pass_on(n))
		;
	if (n->held)
		(void)fd_write_full(STDOUT_FILENO, "\r", 1);
	n->held = false;
	close_fd(&n->from);
}
