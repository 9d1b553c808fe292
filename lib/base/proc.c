/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/str.h"

extern char **environ;

static int compare_int(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

/* Close everything above 2 but the @n sorted descriptors in @keep. */
static void close_others(const int *keep, size_t n)
{
	unsigned first = 3;

	for (size_t i = 0; i < n; i++) {
		unsigned fd = (unsigned)keep[i];

		if (fd > first)
			syscall(SYS_close_range, first, fd - 1, 0);
		if (fd >= first)
			first = fd + 1;
	}
	syscall(SYS_close_range, first, ~0U, 0);
}

/* Move stdio[] to 0, 1 and 2 without one overwriting another. */
static int place_stdio(const int stdio[3])
{
	int tmp[3];

	for (int i = 0; i < 3; i++) {
		int fd = stdio[i];

		if (fd < 0) {
			fd = open("/dev/null", i == 0 ? O_RDONLY : O_WRONLY);
			if (fd < 0)
				return -errno;
		}
		tmp[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (tmp[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(tmp[i], i) < 0)
			return -errno;
	return 0;
}

static void reset_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < _NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP)
			sigaction(i, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int child_setup(const struct proc_spec *spec, int *keep, size_t nkeep, pid_t parent)
{
	int r;

	reset_signals();
	if (spec->die_with_parent) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			return -errno;
		/* It has no parent's number in a namespace of its own. */
		if (getppid() != parent && getppid() != 0)
			return -ESRCH;
	}
	if (spec->new_session && setsid() < 0)
		return -errno;
	if (spec->cwd && chdir(spec->cwd) < 0)
		return -errno;
	r = place_stdio(spec->stdio);
	if (r < 0)
		return r;
	close_others(keep, nkeep);
	for (size_t i = 0; i < spec->nkeep; i++) {
		r = fd_set_cloexec(spec->keep[i], false);
		if (r < 0)
			return r;
	}
	if (spec->until_exec > 0) {
		r = fd_set_cloexec(spec->until_exec, true);
		if (r < 0)
			return r;
	}
	return spec->before_exec ? spec->before_exec(spec->before_exec_arg) : 0;
}

static void child_main(const struct proc_spec *spec, int *keep, size_t nkeep, int report,
		       pid_t parent)
{
	int r = child_setup(spec, keep, nkeep, parent);

	if (r == 0) {
		char *const *envp = spec->envp ? (char *const *)spec->envp : environ;

		if (spec->path)
			execve(spec->path, (char *const *)spec->argv, envp);
		else
			execvpe(spec->argv[0], (char *const *)spec->argv, envp);
		r = -errno;
	}
	if (write(report, &r, sizeof(r)) < 0) {
		/* The parent sees the end of the pipe and our status. */
	}
	_exit(127);
}

/*
 * fork(). The C library knows no other way to the same than this call; what it would tidy
 * up in the child is not missed there, on the way to exec.
 */
static pid_t fork_child(bool first_pid)
{
	pid_t pid = -1;

	if (first_pid)
		pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	return pid >= 0 ? pid : fork();
}

int proc_spawn(const struct proc_spec *spec, struct proc *proc, struct err *err)
{
	auto_free int *keep = xmalloc((spec->nkeep + 2) * sizeof(int));
	auto_close int report_r = -1, report_w = -1;
	const char *what = spec->path ? spec->path : spec->argv[0];
	pid_t parent = getpid(), pid;
	size_t nkeep = spec->nkeep;
	int p[2], failure = 0;
	sigset_t all, old;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	report_r = p[0];
	/* Above the numbers that the child's stdio takes. */
	report_w = fcntl(p[1], F_DUPFD_CLOEXEC, 3);
	close(p[1]);
	if (report_w < 0)
		return err_sys(err, errno, "fcntl");
	if (spec->nkeep > 0)
		memcpy(keep, spec->keep, spec->nkeep * sizeof(int));
	keep[nkeep++] = report_w;
	if (spec->until_exec > 0)
		keep[nkeep++] = spec->until_exec;
	qsort(keep, nkeep, sizeof(int), compare_int);

	/* No handler of ours may run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork_child(spec->first_pid);
	if (pid == 0)
		child_main(spec, keep, nkeep, report_w, parent);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return err_sys(err, errno, "%s: fork", what);
	close_fd(&report_w);
	if (fd_read_full(report_r, &failure, sizeof(failure)) == 0) {
		waitpid(pid, NULL, 0);
		return err_sys(err, failure, "%s", what);
	}
	proc->pid = pid;
	proc->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (proc->pidfd < 0) {
		int saved = errno;

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return err_sys(err, saved, "%s: pidfd_open", what);
	}
	return 0;
}

/* Collect output until its end or @deadline. 0, -ETIMEDOUT or -errno. */
static int drain(int fd, int64_t deadline, size_t max, struct str *out)
{
	char buf[4096];

	for (;;) {
		int64_t left = deadline - loop_now_ms();
		ssize_t n;
		int r;

		if (left <= 0)
			return -ETIMEDOUT;
		r = fd_poll(fd, POLLIN, (int)left);
		if (r < 0)
			return r;
		if (r == 0)
			return -ETIMEDOUT;
		n = read(fd, buf, sizeof(buf));
		if (n == 0)
			return 0;
		if (n < 0)
			return -errno;
		if (out && out->len < max)
			str_add(out, buf, (size_t)n < max - out->len ? (size_t)n : max - out->len);
	}
}

int proc_run(const char *const *argv, int timeout_ms, size_t max, struct str *out, struct err *err)
{
	auto_close int rd = -1, wr = -1, pidfd = -1;
	int64_t deadline = loop_now_ms() + timeout_ms;
	struct proc_spec spec = { .argv = argv, .die_with_parent = true };
	struct proc proc;
	int p[2], r, status;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	rd = p[0];
	wr = p[1];
	spec.stdio[0] = -1;
	spec.stdio[1] = spec.stdio[2] = wr;
	r = proc_spawn(&spec, &proc, err);
	if (r < 0)
		return r;
	pidfd = proc.pidfd;
	close_fd(&wr);
	r = drain(rd, deadline, max, out);
	if (r == 0) {
		int64_t left = deadline - loop_now_ms();

		r = fd_poll(pidfd, POLLIN, left > 0 ? (int)left : 0);
		r = r > 0 ? 0 : r == 0 ? -ETIMEDOUT : r;
	}
	if (r < 0)
		kill(proc.pid, SIGKILL);
	while (waitpid(proc.pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == -ETIMEDOUT)
		return err_set(err, r, "%s: no end after %d ms", argv[0], timeout_ms);
	return r < 0 ? err_sys(err, r, "%s", argv[0]) : status;
}

/* The state letter and start time from /proc/PID/stat; false if there is none. */
static bool read_stat(pid_t pid, char *state, uint64_t *start)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)pid);
	auto_str struct str text = STR_INIT;
	unsigned long long t;
	const char *p;

	if (pid <= 0 || file_read(path, 4096, &text, NULL) < 0)
		return false;
	p = strrchr(str_text(&text), ')'); /* the name may hold anything */
	if (!p || sscanf(p + 1,
			 " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			 "%*s %*s %llu",
			 state, &t) != 2)
		return false;
	*start = t;
	return true;
}

uint64_t proc_start_time(pid_t pid)
{
	uint64_t start;
	char state;

	return read_stat(pid, &state, &start) ? start : 0;
}

bool proc_alive(pid_t pid, uint64_t start)
{
	uint64_t now;
	char state;

	return read_stat(pid, &state, &now) && now == start && state != 'Z' && state != 'X';
}

bool proc_kill(pid_t pid, uint64_t start, int signo)
{
	auto_close int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

	if (fd < 0 || proc_start_time(pid) != start)
		return false;
	return syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) == 0;
}
