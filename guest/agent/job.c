/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "guest/agent/reaper.h"

/* One that ends may lead to another; so many are no more at work. */
#define ROUNDS_MAX 1000

int job_limit_ms = 50000;

struct job {
	struct list link; /* jobs */
	job_cb done;
	void *arg;
	pid_t pid;
	int fd;
	struct loop_source *readable, *limit;
	struct err err;
};

static struct list jobs = LIST_INIT(jobs);

static void finish(struct job *job)
{
	struct job copy = *job;

	list_del(&job->link);
	loop_remove(&job->readable);
	loop_remove(&job->limit);
	close_fd(&job->fd);
	free(job);
	copy.done(copy.err.code ? &copy.err : NULL, copy.arg);
}

static void on_limit(void *arg)
{
	struct job *job = arg;

	job->limit = NULL;
	err_set(&job->err, ETIMEDOUT, "no end after %d ms", job_limit_ms);
	/* It has not ended, or the pipe would have. One that hangs in the kernel stays. */
	kill(job->pid, SIGKILL);
	finish(job);
}

static void on_deferred(void *arg)
{
	struct job *job = arg;

	job->limit = NULL;
	finish(job);
}

/* The whole struct err fits a pipe's atomic write. */
static void on_readable(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct job *job = arg;
	struct err err;

	(void)src;
	(void)events;
	if (fd_read_full(fd, &err, sizeof(err)) == 0) {
		err.msg[ERR_MSG_MAX - 1] = '\0';
		job->err = err;
	} else {
		err_set(&job->err, EIO, "the helper process died");
	}
	finish(job);
}

static void run_child(job_fn fn, void *arg, int fd)
{
	struct err err = ERR_INIT;
	sigset_t none;
	int r;

	log_open(-1, "", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody waits for it without the agent */
	if (dup2(fd, 3) < 0)
		_exit(1);
	(void)syscall(SYS_close_range, 4, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	r = fn(arg, &err);
	if (r < 0 && err.code == 0)
		err_sys(&err, r, "failed");
	(void)fd_write_full(3, &err, sizeof(err)); /* a missing report counts as failure */
	_exit(0);
}

static void on_reaped(pid_t pid, int status, void *arg)
{
	(void)pid;
	(void)status;
	(void)arg; /* the job may be gone; what it has to say came through the pipe */
}

void job_run(struct loop *loop, job_fn fn, job_cb done, void *arg)
{
	struct job *job = xcalloc(1, sizeof(*job));
	auto_close int wr = -1;
	int p[2];

	_Static_assert(sizeof(struct err) <= 4096, "PIPE_BUF");
	job->done = done;
	job->arg = arg;
	job->fd = -1;
	list_add_tail(&jobs, &job->link);
	if (pipe2(p, O_CLOEXEC) < 0) {
		err_sys(&job->err, errno, "pipe");
		job->limit = loop_defer(loop, on_deferred, job);
		return;
	}
	job->fd = p[0];
	wr = p[1];
	job->pid = fork();
	if (job->pid == 0)
		run_child(fn, arg, wr);
	if (job->pid < 0) {
		err_sys(&job->err, errno, "fork");
		job->limit = loop_defer(loop, on_deferred, job);
		return;
	}
	reaper_watch(job->pid, on_reaped, NULL);
	job->readable = loop_add_fd(loop, job->fd, EPOLLIN, on_readable, job);
	job->limit = loop_add_timer(loop, job_limit_ms, on_limit, job);
}

void job_close(struct loop *loop)
{
	for (int i = 0; i < ROUNDS_MAX && !list_empty(&jobs); i++) {
		struct job *job = container_of(jobs.next, struct job, link);

		if (job->pid > 0)
			kill(job->pid, SIGKILL);
		err_set(&job->err, ECANCELED, "the agent ends");
		finish(job);
	}
	(void)loop_step(loop, 0); /* what was deferred */
}
