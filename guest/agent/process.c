/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "cgroup/cgroup.h"
#include "guest/agent/agent.h"
#include "guest/agent/container.h"
#include "guest/agent/hooks.h"
#include "guest/agent/job.h"
#include "guest/agent/process_io.h"
#include "guest/agent/reaper.h"
#include "guest/agent/rlimits.h"
#include "guest/agent/sync.h"
#include "guest/agent/userns.h"

bool process_alive(const struct process *p)
{
	return p->pid > 0;
}

static void tell(struct process *p, const struct err *err)
{
	process_cb cb = p->progress;

	p->progress = NULL;
	if (cb)
		cb(p, err);
}

static void stop_sync(struct process *p)
{
	loop_remove(&p->limit);
	loop_remove(&p->sync_source);
	close_fd(&p->sync);
}

void process_fail(struct process *p, const struct err *err)
{
	stop_sync(p);
	p->failed = true;
	if (p->pid > 0)
		kill(p->pid, SIGKILL);
	tell(p, err);
}

static void on_limit(void *arg)
{
	struct process *p = arg;
	struct err err = ERR_INIT;

	p->limit = NULL;
	err_set(&err, ETIMEDOUT, "the process is not %s after %" PRId64 " ms",
		p->state == PROCESS_STARTING ? "running" : "set up", p->limit_ms);
	process_fail(p, &err);
}

/* The child goes on: what it mounts, enters and reads may belong to who does not answer. */
static void limit_child(struct process *p)
{
	loop_remove(&p->limit);
	p->limit = loop_add_timer(p->container->agent->loop, p->limit_ms, on_limit, p);
}

static void on_end_of_sync(struct process *p)
{
	struct err err = ERR_INIT;

	if (p->state == PROCESS_STARTING) {
		stop_sync(p);
		p->state = PROCESS_RUNNING;
		tell(p, NULL);
		return;
	}
	err_set(&err, EIO, "the process died while it was set up");
	process_fail(p, &err);
}

static void on_sync(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct process *p = arg;
	struct err err = ERR_INIT;
	struct sync_msg msg;
	int r = sync_recv(fd, &msg);

	(void)src;
	(void)events;
	if (r == -EAGAIN || r == -EINTR)
		return;
	if (r == 0 || r == -ECONNRESET) {
		on_end_of_sync(p);
		return;
	}
	if (r < 0) {
		err_sys(&err, r, "talk to the new process");
		process_fail(p, &err);
		return;
	}
	if (msg.kind == SYNC_FAILED) {
		close_fd(&msg.fd);
		process_fail(p, &msg.err);
		return;
	}
	loop_remove(&p->limit);
	p->state = PROCESS_READY;
	if (msg.fd >= 0 && process_take_terminal(p, msg.fd, &err) < 0) {
		process_fail(p, &err);
		return;
	}
	tell(p, NULL);
}

static void on_reaped(pid_t pid, int status, void *arg)
{
	struct process *p = arg;

	p->pid = 0;
	p->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	log_debug("container %s process %s (pid %d) ended with status %d", p->container->id, p->id,
		  (int)pid, p->status);
	/* What it still had to say is read first: the descriptor may be ready as well. */
	if (p->sync_source)
		on_sync(NULL, p->sync, 0, p);
	if (p->sync_source)
		on_end_of_sync(p);
	p->state = PROCESS_EXITED;
	process_io_exited(p);
	container_process_ended(p->container, p);
}

/* What only the agent can do for its child before the child goes on. */
static int furnish(struct process *p, const struct launch *l, struct err *err)
{
	int r = cgroup_attach(p->container->cgroup, p->pid, err);

	if (r == 0)
		r = rlimits_apply(p->pid, l->process, p->container->agent->guest, err);
	if (r == 0 && l->spec && l->ns.create & ns_flag(NS_USER)) {
		const Grpc__Linux *lin = l->spec->linux;
		struct userns_map map = { lin->uidmappings, lin->gidmappings, lin->n_uidmappings,
					  lin->n_gidmappings };

		r = userns_write(p->pid, &map, err);
	}
	if (r == 0 && !l->hold) {
		r = sync_send(p->sync, SYNC_GO, NULL, -1);
		if (r < 0)
			return err_sys(err, r, "talk to the new process");
		limit_child(p);
	}
	return r;
}

static void on_furnish_failed(void *arg)
{
	struct process *p = arg;

	/* The child sees the end of the pair and goes; its end is told by the reaper. */
	stop_sync(p);
	p->failed = true;
}

struct process *process_new(struct container *c, const char *id, struct launch *l,
			    process_cb progress, void *arg, struct err *err)
{
	struct process *p = xcalloc(1, sizeof(*p));
	int theirs[3] = { -1, -1, -1 }, r = 0;
	pid_t pid = -1;

	p->container = c;
	p->id = xstrdup(id);
	p->sync = -1;
	p->tty = l->process->terminal;
	p->limit_ms = job_limit_ms + hooks_limit_ms(l->hooks);
	list_init(&p->waiters);
	list_init(&p->link);
	process_io_init(p, l->streams);
	if (!p->tty)
		r = process_make_pipes(p, theirs, err);
	memcpy(l->stdio, theirs, sizeof(theirs));
	if (r == 0)
		pid = launch_clone(l, &p->sync, err);
	for (int i = 0; i < 3; i++)
		close_fd(&theirs[i]);
	if (pid < 0) {
		process_free(p);
		return NULL;
	}
	p->pid = pid;
	list_add_tail(&c->processes, &p->link);
	reaper_watch(pid, on_reaped, p);
	p->sync_source = loop_add_fd(c->agent->loop, p->sync, EPOLLIN, on_sync, p);
	if (furnish(p, l, err) < 0) {
		on_furnish_failed(p);
		return NULL;
	}
	p->progress = progress;
	p->progress_arg = arg;
	return p;
}

void process_go(struct process *p)
{
	if (p->sync < 0)
		return;
	/* If it is gone, the end of the pair says so. */
	(void)sync_send(p->sync, SYNC_GO, NULL, -1);
	limit_child(p);
}

void process_start(struct process *p, process_cb progress, void *arg)
{
	p->progress = progress;
	p->progress_arg = arg;
	p->state = PROCESS_STARTING;
	/* If it is gone, the end of the pair says so. */
	if (sync_send(p->sync, SYNC_START, NULL, -1) < 0)
		p->state = PROCESS_SETTING_UP;
	limit_child(p);
}

int process_signal(struct process *p, int signo)
{
	if (p->pid <= 0)
		return -ESRCH;
	return kill(p->pid, signo) < 0 ? -errno : 0;
}

void process_free(struct process *p)
{
	struct ttrpc_call *call;

	if (!p)
		return;
	stop_sync(p);
	process_io_done(p);
	while ((call = unpark(&p->waiters)))
		ttrpc_fail(call, TTRPC_NOT_FOUND, "process %s was removed", p->id);
	list_del(&p->link);
	free(p->id);
	free(p);
}
