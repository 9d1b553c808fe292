/* SPDX-License-Identifier: Apache-2.0 */
/* Runs between fork and exec of a larger program: system calls, nothing else. */
#include "host/hooks/guard.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The session is the hook's own doing, so that it may be too young to have a group. */
static void kill_group(pid_t hook)
{
	kill(-hook, SIGKILL);
	kill(hook, SIGKILL);
}

/* End as the hook did, but for the core file. */
static _Noreturn void end_as(int status)
{
	const struct rlimit none = { 0, 0 };

	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	setrlimit(RLIMIT_CORE, &none);
	kill(getpid(), WTERMSIG(status));
	_exit(128 + WTERMSIG(status));
}

static _Noreturn void guard_main(int owner, pid_t hook)
{
	struct pollfd p[2] = { { .fd = 0, .events = POLLIN }, { .events = POLLIN } };
	int status = 0;

	/* All else is the hook's: held here, its streams would not end with it. */
	dup2(owner, 0);
	syscall(SYS_close_range, 1U, ~0U, 0);
	p[1].fd = (int)syscall(SYS_pidfd_open, hook, 0);
	while (p[1].fd >= 0 && poll(p, 2, -1) < 0 && errno == EINTR)
		;
	if (p[1].fd < 0 || p[0].revents)
		kill_group(hook);
	while (waitpid(hook, &status, 0) < 0 && errno == EINTR)
		;
	end_as(status);
}

static int enter(const struct guard *g)
{
	for (size_t i = 0; i < g->n_ns; i++)
		if (setns(g->ns[i], 0) < 0)
			return -errno;
	/* A mount namespace's root may be above the runtime's own. */
	if (g->root >= 0 && (fchdir(g->root) < 0 || chroot(".") < 0))
		return -errno;
	/* As it is no part of the contract, a bundle that has gone is no obstacle. */
	if ((!g->cwd || chdir(g->cwd) < 0) && chdir("/") < 0)
		return -errno;
	return 0;
}

int guard_enter(void *arg)
{
	const struct guard *g = arg;
	pid_t guard = getpid(), pid = fork();
	int r;

	if (pid < 0)
		return -errno;
	if (pid > 0)
		guard_main(g->owner, pid);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (getppid() != guard)
		return -ESRCH;
	if (setsid() < 0)
		return -errno;
	r = enter(g);
	close(g->owner);
	for (size_t i = 0; i < g->n_ns; i++)
		close(g->ns[i]);
	if (g->root >= 0)
		close(g->root);
	return r;
}
