/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/standin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "cgroup/cgroup.h"
#include "host/shim/kill.h"
#include "host/shim/process.h"
#include "host/standin/protocol.h"

#define KEY "kata-standin"

struct standin {
	struct process *p;
	int fd; /* -1: it has ended, or was told to */
	struct loop_source *src;
	pid_t pid;
	bool noted;    /* in the journal */
	bool released; /* it lives without kata-runtime */
	bool lost;     /* it ended by itself */
};

static void on_resized(const struct err *err, void *arg)
{
	struct process *p = arg;

	if (err)
		log_debug("%s: terminal size: %s", shim_process_name(p), err_msg(err));
	shim_process_unref(p);
}

/* Its terminal has another size: so has the process's. */
static void resize(struct process *p)
{
	struct shim *s = p->shim;

	if (!p->terminal || !p->io || !streams_size(p->io, &p->width, &p->height))
		return;
	if (p->state == PROCESS_RUNNING && !p->exited)
		sandbox_resize_tty(s->sandbox, p->id, p->exec_id, p->width, p->height, on_resized,
				   shim_process_ref(p));
}

static void on_signal(struct process *p, int signo)
{
	log_debug("%s: its stand-in got signal %d", shim_process_name(p), signo);
	if (signo == SIGWINCH && p->terminal)
		resize(p);
	else if (signo > 0 && signo <= 64)
		kill_process(p, (uint32_t)signo, false, NULL);
}

/* No more to say to each other. */
static void hang_up(struct standin *st)
{
	struct err err = ERR_INIT;
	struct shim *s = st->p->shim;

	loop_remove(&st->src);
	close_fd(&st->fd);
	if (!st->noted || !s->sandbox)
		return;
	st->noted = false;
	if (sandbox_forget_process(s->sandbox, st->pid, &err) < 0)
		log_warn("%s: %s", shim_process_name(st->p), err_msg(&err));
}

static void on_lost(struct standin *st)
{
	struct process *p = st->p;

	log_warn("%s: its stand-in (process %d) has died", shim_process_name(p), (int)st->pid);
	st->lost = true;
	hang_up(st);
	kill_abandoned(p, st->released);
}

static void on_record(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct standin *st = arg;
	struct standin_record r = { 0 };
	ssize_t n = recv(fd, &r, sizeof(r), MSG_DONTWAIT);

	(void)src;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(r))
		on_lost(st);
	else if (r.kind == STANDIN_SIGNAL)
		on_signal(st->p, r.value);
	else if (r.kind == STANDIN_RELEASED)
		st->released = true;
}

/* What is watched must be such a socket, whatever the request says. */
static int check_socket(int fd, struct err *err)
{
	int type = 0;
	socklen_t len = sizeof(type);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_SEQPACKET)
		return err_set(err, EINVAL,
			       "metadata " KEY ": the descriptor is no socket of packets");
	return 0;
}

int standin_take(struct process *p, struct ttrpc_call *call, struct err *err)
{
	const char *text = ttrpc_call_metadata(call, KEY);
	auto_close int fd = -1;
	unsigned index;
	int pid, r;

	if (!text)
		return 0;
	if (sscanf(text, "%u %d", &index, &pid) != 2 || pid <= 1)
		return err_set(err, EINVAL, "metadata " KEY ": \"%s\" is no descriptor and pid",
			       text);
	fd = ttrpc_call_take_fd(call, index);
	r = check_socket(fd, err);
	if (r < 0)
		return r;
	p->standin = xcalloc(1, sizeof(*p->standin));
	p->standin->p = p;
	p->standin->pid = pid;
	p->standin->fd = -1;
	p->standin->src = loop_add_fd(p->shim->loop, fd, EPOLLIN, on_record, p->standin);
	if (!p->standin->src)
		return err_sys(err, errno, "cannot watch the stand-in");
	p->standin->fd = take_fd(&fd);
	return 0;
}

int standin_note(struct standin *st, struct err *err)
{
	if (!st || st->fd < 0)
		return 0;
	st->noted = true;
	return sandbox_note_process(st->p->shim->sandbox, "standin", st->pid, err);
}

pid_t standin_pid(const struct standin *st)
{
	return st ? st->pid : 0;
}

bool standin_lost(const struct standin *st)
{
	return st && st->lost;
}

void standin_end(struct standin *st, uint32_t status)
{
	struct standin_record r = { .kind = STANDIN_ENDED, .value = (int32_t)(status & 0xff) };

	if (!st || st->fd < 0)
		return;
	cgroup_thaw_process(st->pid);
	/* The queue of its end is empty: this is the first and last that it is told. */
	if (send(st->fd, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EPIPE)
		log_warn("%s: cannot end its stand-in in order: %s", shim_process_name(st->p),
			 strerror(errno));
	hang_up(st);
}

void standin_free(struct standin *st)
{
	if (!st)
		return;
	if (st->fd >= 0)
		hang_up(st);
	free(st);
}
