/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/str.h"

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNAL, SOURCE_CHILD };

struct loop_source {
	struct list link; /* loop->sources, loop->timers or loop->dead */
	struct loop *loop;
	enum source_kind kind;
	bool dead;
	int fd;		/* SIGNAL and CHILD own theirs */
	int64_t when;	/* TIMER: monotonic ms */
	uint64_t order; /* TIMER: first registered, first called */
	pid_t pid;
	union {
		loop_fd_cb fd;
		loop_timer_cb timer;
		loop_signal_cb signal;
		loop_child_cb child;
	} cb;
	void *arg;
};

struct loop {
	int epfd;
	struct list sources, timers, dead;
	uint64_t order;
	bool stop;
	int status;
};

int64_t loop_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct loop *loop_new(void)
{
	int epfd = epoll_create1(EPOLL_CLOEXEC);
	struct loop *loop;

	if (epfd < 0)
		return NULL;
	loop = xcalloc(1, sizeof(*loop));
	loop->epfd = epfd;
	list_init(&loop->sources);
	list_init(&loop->timers);
	list_init(&loop->dead);
	return loop;
}

static struct loop_source *source_new(struct loop *loop, enum source_kind kind, int fd, void *arg)
{
	struct loop_source *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->kind = kind;
	s->fd = fd;
	s->arg = arg;
	list_init(&s->link);
	return s;
}

/* Removed sources rest in loop->dead until no event at hand can name them. */
void loop_remove(struct loop_source **src)
{
	struct loop_source *s = *src;

	*src = NULL;
	if (!s || s->dead)
		return;
	s->dead = true;
	list_del(&s->link);
	list_add_tail(&s->loop->dead, &s->link);
	if (s->fd >= 0)
		epoll_ctl(s->loop->epfd, EPOLL_CTL_DEL, s->fd, NULL);
	if (s->kind == SOURCE_SIGNAL || s->kind == SOURCE_CHILD)
		close_fd(&s->fd);
}

static void bury(struct loop *loop)
{
	while (!list_empty(&loop->dead)) {
		struct loop_source *s = container_of(loop->dead.next, struct loop_source, link);

		list_del(&s->link);
		free(s);
	}
}

static void remove_all(struct list *head)
{
	while (!list_empty(head)) {
		struct loop_source *s = container_of(head->next, struct loop_source, link);

		loop_remove(&s);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	remove_all(&loop->sources);
	remove_all(&loop->timers);
	bury(loop);
	close(loop->epfd);
	free(loop);
}

/* Put @s into the epoll set; on failure releases it and returns NULL. */
static struct loop_source *watch(struct loop_source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll_ctl(s->loop->epfd, EPOLL_CTL_ADD, s->fd, &ev) < 0) {
		int saved = errno;

		if (s->kind != SOURCE_FD)
			close(s->fd);
		free(s);
		errno = saved;
		return NULL;
	}
	list_add_tail(&s->loop->sources, &s->link);
	return s;
}

struct loop_source *loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_cb cb,
				void *arg)
{
	struct loop_source *s = source_new(loop, SOURCE_FD, fd, arg);

	s->cb.fd = cb;
	return watch(s, events);
}

/*
 * A paused source leaves the epoll set altogether: EPOLLHUP cannot be masked
 * and would spin the loop.
 */
void loop_set_events(struct loop_source *src, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	if (src->dead)
		return;
	if (!events) {
		epoll_ctl(src->loop->epfd, EPOLL_CTL_DEL, src->fd, NULL);
		return;
	}
	if (epoll_ctl(src->loop->epfd, EPOLL_CTL_MOD, src->fd, &ev) < 0 && errno == ENOENT)
		epoll_ctl(src->loop->epfd, EPOLL_CTL_ADD, src->fd, &ev);
}

struct loop_source *loop_add_timer(struct loop *loop, int64_t ms, loop_timer_cb cb, void *arg)
{
	struct loop_source *s = source_new(loop, SOURCE_TIMER, -1, arg);

	s->cb.timer = cb;
	s->when = loop_now_ms() + (ms > 0 ? ms : 0);
	s->order = loop->order++;
	list_add_tail(&loop->timers, &s->link);
	return s;
}

struct loop_source *loop_defer(struct loop *loop, loop_timer_cb cb, void *arg)
{
	return loop_add_timer(loop, 0, cb, arg);
}

struct loop_source *loop_add_signal(struct loop *loop, int signo, loop_signal_cb cb, void *arg)
{
	struct loop_source *s;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, signo);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return NULL;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return NULL;
	s = source_new(loop, SOURCE_SIGNAL, fd, arg);
	s->cb.signal = cb;
	return watch(s, EPOLLIN);
}

struct loop_source *loop_add_child(struct loop *loop, pid_t pid, int pidfd, loop_child_cb cb,
				   void *arg)
{
	struct loop_source *s;

	if (pidfd < 0)
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return NULL;
	s = source_new(loop, SOURCE_CHILD, pidfd, arg);
	s->cb.child = cb;
	s->pid = pid;
	return watch(s, EPOLLIN);
}

void loop_stop(struct loop *loop, int status)
{
	loop->stop = true;
	loop->status = status;
}

static void dispatch_signal(struct loop_source *s)
{
	struct signalfd_siginfo info;

	while (!s->dead && read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		s->cb.signal(&info, s->arg);
}

static void dispatch_child(struct loop_source *s)
{
	loop_child_cb cb = s->cb.child;
	void *arg = s->arg;
	pid_t pid = s->pid, r;
	int status = 0;

	do {
		r = waitpid(pid, &status, WNOHANG);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return;
	loop_remove(&s);
	cb(pid, status, arg);
}

static void dispatch(struct loop_source *s, uint32_t events)
{
	if (s->dead)
		return;
	switch (s->kind) {
	case SOURCE_FD:
		s->cb.fd(s, s->fd, events, s->arg);
		break;
	case SOURCE_SIGNAL:
		dispatch_signal(s);
		break;
	case SOURCE_CHILD:
		dispatch_child(s);
		break;
	case SOURCE_TIMER:
		break;
	}
}

static struct loop_source *earliest(struct loop *loop)
{
	struct loop_source *best = NULL;
	struct list *it;

	list_for_each(it, &loop->timers) {
		struct loop_source *s = container_of(it, struct loop_source, link);

		if (!best || s->when < best->when ||
		    (s->when == best->when && s->order < best->order))
			best = s;
	}
	return best;
}

/* Timers made by the callbacks of this round wait for the next one. */
static void run_timers(struct loop *loop)
{
	int64_t now = loop_now_ms();
	uint64_t newest = loop->order;
	struct loop_source *s;

	while ((s = earliest(loop)) && s->when <= now && s->order < newest) {
		loop_timer_cb cb = s->cb.timer;
		void *arg = s->arg;

		loop_remove(&s);
		cb(arg);
	}
}

static int next_wait(struct loop *loop, int timeout_ms)
{
	struct loop_source *s = earliest(loop);
	int64_t ms;

	if (!s)
		return timeout_ms;
	ms = s->when - loop_now_ms();
	if (ms < 0)
		ms = 0;
	if (ms > INT_MAX)
		ms = INT_MAX;
	return timeout_ms < 0 || ms < timeout_ms ? (int)ms : timeout_ms;
}

int loop_step(struct loop *loop, int timeout_ms)
{
	struct epoll_event ev[32];
	int n = epoll_wait(loop->epfd, ev, ARRAY_SIZE(ev), next_wait(loop, timeout_ms));

	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++)
		dispatch(ev[i].data.ptr, ev[i].events);
	run_timers(loop);
	bury(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	loop->stop = false;
	loop->status = 0;
	while (!loop->stop && !(list_empty(&loop->sources) && list_empty(&loop->timers))) {
		int r = loop_step(loop, -1);

		if (r < 0)
			return r;
	}
	return loop->status;
}
