/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/streams.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "host/shim/inflow.h"
#include "host/shim/outflow.h"

struct streams {
	struct loop *loop;
	struct inflow *in;	   /* NULL: the process has ended */
	struct outflow *out, *err; /* err NULL: a terminal */
	struct loop_source *timer; /* while expiring or finishing */
	int64_t quiet_ms;
	bool expiring;
	void (*drained)(void *arg); /* not NULL while finishing */
	void *arg;
};

static void on_quiet(void *arg);

static bool all_ended(const struct streams *io)
{
	return outflow_ended(io->out) && (!io->err || outflow_ended(io->err));
}

/* Bytes came or went, or an output ended: the time without change begins anew. */
static void on_change(void *arg)
{
	struct streams *io = arg;

	if (!io->drained && !io->expiring)
		return;
	loop_remove(&io->timer);
	io->timer = loop_add_timer(io->loop, all_ended(io) ? 0 : io->quiet_ms, on_quiet, io);
}

static void drop_output(struct streams *io)
{
	log_warn("the output of a process that has ended is not read; it is dropped");
	outflow_drop(io->out);
	if (io->err)
		outflow_drop(io->err);
}

static void on_quiet(void *arg)
{
	struct streams *io = arg;
	void (*drained)(void *) = io->drained;

	io->timer = NULL;
	if (!all_ended(io)) {
		if (outflow_held(io->out) || (io->err && outflow_held(io->err))) {
			io->timer = loop_add_timer(io->loop, io->quiet_ms, on_quiet, io);
			return;
		}
		drop_output(io);
		io->expiring = false;
	}
	io->drained = NULL;
	if (drained)
		drained(io->arg);
}

int streams_open(struct loop *loop, const struct streams_where *w, struct streams **out,
		 struct err *err)
{
	struct port ports[3] = { PORT_NONE, PORT_NONE, PORT_NONE };
	struct streams *io;
	int r;

	r = port_open(&ports[0], "stdin", w->in, false, w->fds, w->n_fds, err);
	if (r == 0)
		r = port_open(&ports[1], "stdout", w->out, true, w->fds, w->n_fds, err);
	if (r == 0 && !w->terminal)
		r = port_open(&ports[2], "stderr", w->err, true, w->fds, w->n_fds, err);
	if (r < 0) {
		for (int i = 0; i < 3; i++)
			port_close(&ports[i]);
		return r;
	}
	io = xcalloc(1, sizeof(*io));
	io->loop = loop;
	io->quiet_ms = STREAMS_QUIET_MS;
	io->in = inflow_new(loop, &ports[0], w->terminal);
	io->out = outflow_new(loop, &ports[1], false, on_change, io);
	if (!w->terminal)
		io->err = outflow_new(loop, &ports[2], true, on_change, io);
	*out = io;
	return 0;
}

void streams_start(struct streams *io, struct sandbox *sb, const char *id, const char *exec_id)
{
	inflow_start(io->in, sb, id, exec_id);
	outflow_start(io->out, sb, id, exec_id);
	if (io->err)
		outflow_start(io->err, sb, id, exec_id);
}

void streams_close_input(struct streams *io)
{
	if (io->in)
		inflow_finish(io->in);
}

bool streams_size(const struct streams *io, uint32_t *width, uint32_t *height)
{
	return outflow_size(io->out, width, height);
}

void streams_expire(struct streams *io, int64_t ms)
{
	io->quiet_ms = ms;
	io->expiring = true;
	on_change(io);
}

void streams_finish(struct streams *io, void (*drained)(void *arg), void *arg)
{
	inflow_free(io->in);
	io->in = NULL;
	io->drained = drained;
	io->arg = arg;
	on_change(io);
}

void streams_free(struct streams *io)
{
	if (!io)
		return;
	loop_remove(&io->timer);
	inflow_free(io->in);
	outflow_free(io->out);
	outflow_free(io->err);
	free(io);
}
