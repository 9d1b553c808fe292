/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/inflow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"

#define PIECE_MAX (64u << 10)
#define RETRY_MS  20

struct inflow {
	struct loop *loop;
	struct port port;
	struct sandbox *sb; /* NULL: not started */
	char *id, *exec_id;
	struct loop_source *src;  /* NULL: epoll refuses the port, or before the start */
	struct loop_source *next; /* for such a port: its turn comes in the next round */
	uint8_t *piece;		  /* while the sandbox owes us an answer */
	bool waiting;		  /* it does */
	bool terminal;
	bool finish; /* end when the port is empty */
	bool ended;
	bool orphan; /* freed, but for that answer */
};

static void copy_piece(struct inflow *f);

struct inflow *inflow_new(struct loop *loop, struct port *port, bool terminal)
{
	struct inflow *f = xcalloc(1, sizeof(*f));

	f->loop = loop;
	f->port = *port;
	f->terminal = terminal;
	port->fd = -1;
	return f;
}

static void release(struct inflow *f)
{
	free(f->id);
	free(f->exec_id);
	free(f);
}

static void stop(struct inflow *f)
{
	loop_remove(&f->src);
	loop_remove(&f->next);
	port_close(&f->port);
	f->ended = true;
}

void inflow_free(struct inflow *f)
{
	if (!f)
		return;
	stop(f);
	f->orphan = true;
	if (!f->waiting)
		release(f);
}

static void on_closed(const struct err *err, void *arg)
{
	struct inflow *f = arg;

	f->waiting = false;
	if (f->orphan)
		release(f);
	else if (err) /* it has ended, most likely */
		log_debug("container %s: closing stdin: %s", f->id, err_msg(err));
}

static void close_input(struct inflow *f)
{
	stop(f);
	/* What is typed ends, not the session: the original's agent would hang up. */
	if (f->terminal)
		return;
	f->waiting = true;
	sandbox_close_stdin(f->sb, f->id, f->exec_id, on_closed, f);
}

static void on_ready(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	(void)src;
	(void)fd;
	(void)events;
	copy_piece(arg);
}

static void on_turn(void *arg)
{
	struct inflow *f = arg;

	f->next = NULL;
	copy_piece(f);
}

/* Call copy_piece() when there is something to copy. */
static void wait_for_more(struct inflow *f)
{
	if (f->src)
		loop_set_events(f->src, EPOLLIN);
	else
		f->next = loop_defer(f->loop, on_turn, f);
}

static void on_written(const struct err *err, void *arg)
{
	struct inflow *f = arg;

	f->waiting = false;
	free(take_ptr(f->piece));
	if (f->orphan) {
		release(f);
		return;
	}
	if (f->ended)
		return;
	if (err) {
		/* As a pipe whose reader has gone: what comes stays where it is. */
		log_debug("container %s: stdin: %s", f->id, err_msg(err));
		stop(f);
	} else {
		wait_for_more(f);
		if (f->finish)
			copy_piece(f);
	}
}

static void copy_piece(struct inflow *f)
{
	ssize_t n;

	if (f->waiting || f->ended)
		return;
	f->piece = xmalloc(PIECE_MAX);
	n = port_read(&f->port, f->piece, PIECE_MAX);
	if (n > 0) {
		if (f->src)
			loop_set_events(f->src, 0);
		loop_remove(&f->next);
		f->waiting = true;
		sandbox_write_stdin(f->sb, f->id, f->exec_id, f->piece, (size_t)n, on_written, f);
		return;
	}
	free(take_ptr(f->piece));
	if (n == -EAGAIN && !f->finish) {
		if (!f->src && !f->next)
			f->next = loop_add_timer(f->loop, RETRY_MS, on_turn, f);
		return;
	}
	if (n < 0 && n != -EAGAIN)
		log_warn("container %s: cannot read stdin: %s", f->id, strerror((int)-n));
	close_input(f);
}

void inflow_start(struct inflow *f, struct sandbox *sb, const char *id, const char *exec_id)
{
	f->sb = sb;
	f->id = xstrdup(id);
	f->exec_id = xstrdup(exec_id);
	if (f->port.fd < 0) {
		close_input(f);
		return;
	}
	f->src = loop_add_fd(f->loop, f->port.fd, EPOLLIN, on_ready, f);
	if (!f->src && errno != EPERM) {
		log_error("container %s: cannot wait for stdin: %s", f->id, strerror(errno));
		close_input(f);
		return;
	}
	if (!f->src || f->finish)
		f->next = loop_defer(f->loop, on_turn, f);
}

void inflow_finish(struct inflow *f)
{
	f->finish = true;
	if (f->sb)
		copy_piece(f);
}
