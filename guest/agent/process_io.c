/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/process_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "guest/agent/agent.h"
#include "guest/agent/container.h"

/* As long as a runtime waits for the rest of the output, whatever its reader does. */
#define SETTLE_MS 10000

void process_io_init(struct process *p, struct passfd *streams)
{
	p->streams = *streams;
	*streams = (struct passfd)PASSFD_OFF;
	stream_init(&p->in, p->container->agent->loop, -1);
	stream_init(&p->out, p->container->agent->loop, -1);
	stream_init(&p->err, p->container->agent->loop, -1);
}

/* All that it had to say is with who asked for it, or never will be. */
static void settled(struct process *p)
{
	struct ttrpc_call *call;

	loop_remove(&p->settle);
	p->settled = true;
	while ((call = unpark(&p->waiters))) {
		Grpc__WaitProcessResponse rsp = GRPC__WAIT_PROCESS_RESPONSE__INIT;

		rsp.status = p->status;
		p->waited = true;
		ttrpc_reply(call, &rsp.base);
	}
}

static void on_settle_limit(void *arg)
{
	struct process *p = arg;

	p->settle = NULL;
	settled(p);
}

static void settle(struct process *p)
{
	if (!p->pumps[1] && !p->pumps[2])
		settled(p);
	else if (!p->settle)
		p->settle =
			loop_add_timer(p->container->agent->loop, SETTLE_MS, on_settle_limit, p);
}

static void on_input_pumped(void *arg)
{
	((struct process *)arg)->pumps[0] = NULL;
}

static void on_output_pumped(struct process *p, int i)
{
	p->pumps[i] = NULL;
	if (p->state == PROCESS_EXITED && !p->settled)
		settle(p);
}

static void on_stdout_pumped(void *arg)
{
	on_output_pumped(arg, 1);
}

static void on_stderr_pumped(void *arg)
{
	on_output_pumped(arg, 2);
}

/* Connect the stream @i to @peer; both are the pump's. */
static void pump(struct process *p, int i, int mine, int peer)
{
	void (*const done[3])(void *) = { on_input_pumped, on_stdout_pumped, on_stderr_pumped };
	int from = i == 0 ? peer : mine, to = i == 0 ? mine : peer;

	p->pumps[i] = pump_start(p->container->agent->loop, from, to, p->tty, done[i], p);
}

int process_take_terminal(struct process *p, int master, struct err *err)
{
	int copy = fcntl(master, F_DUPFD_CLOEXEC, 3), input, r;

	if (copy < 0) {
		close(master);
		return err_sys(err, errno, "terminal");
	}
	stream_init(&p->in, p->container->agent->loop, copy);
	r = fd_set_nonblock(master, true);
	if (!p->streams.on) {
		stream_init(&p->out, p->container->agent->loop, master);
		return r < 0 ? err_sys(err, r, "terminal") : 0;
	}
	pump(p, 1, master, take_fd(&p->streams.fd[1]));
	if (r < 0 || p->streams.fd[0] < 0)
		return r < 0 ? err_sys(err, r, "terminal") : 0;
	input = fcntl(copy, F_DUPFD_CLOEXEC, 3);
	if (input < 0)
		return err_sys(err, errno, "terminal");
	pump(p, 0, input, take_fd(&p->streams.fd[0]));
	return 0;
}

int process_make_pipes(struct process *p, int theirs[3], struct err *err)
{
	const struct agent *agent = p->container->agent;
	struct stream *streams[3] = { &p->in, &p->out, &p->err };

	for (int i = 0; i < 3; i++) {
		int pair[2], mine = i == 0 ? 1 : 0, r;

		if (p->streams.on && p->streams.fd[i] < 0)
			continue; /* nobody would read it */
		if (pipe2(pair, O_CLOEXEC) < 0)
			return err_sys(err, errno, "pipe");
		if (p->streams.on)
			pump(p, i, pair[mine], take_fd(&p->streams.fd[i]));
		else
			stream_init(streams[i], agent->loop, pair[mine]);
		theirs[i] = pair[!mine];
		r = fd_set_nonblock(pair[mine], true);
		if (r < 0)
			return err_sys(err, r, "pipe");
		/* So that a user namespace's root may give it to the container's user. */
		if (p->container->userns &&
		    fchown(theirs[i], p->container->root_uid, p->container->root_gid) < 0)
			return err_sys(err, errno, "pipe: chown");
		if (agent->config.pipe_size > 0 &&
		    fcntl(pair[0], F_SETPIPE_SZ, agent->config.pipe_size) < 0)
			return err_sys(err, errno, "pipe of %d bytes", agent->config.pipe_size);
	}
	return 0;
}

void process_io_exited(struct process *p)
{
	pump_stop(&p->pumps[0]);
	stream_close_input(&p->in);
	stream_exited(&p->out);
	stream_exited(&p->err);
	pump_exited(p->pumps[1]);
	pump_exited(p->pumps[2]);
	settle(p);
}

void process_close_input(struct process *p)
{
	/* Closing a terminal would take the output along and hang up the process; what typed into
	 * it ended, not the session. */
	if (p->tty)
		return;
	stream_close_input(&p->in);
	pump_finish(p->pumps[0]);
}

int process_resize(struct process *p, uint32_t rows, uint32_t columns)
{
	struct winsize size = { .ws_row = (uint16_t)rows, .ws_col = (uint16_t)columns };

	if (!p->tty || p->in.fd < 0)
		return -ENOTTY;
	return ioctl(p->in.fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

void process_io_done(struct process *p)
{
	loop_remove(&p->settle);
	for (int i = 0; i < 3; i++)
		pump_stop(&p->pumps[i]);
	passfd_done(&p->streams);
	stream_done(&p->in);
	stream_done(&p->out);
	stream_done(&p->err);
}
