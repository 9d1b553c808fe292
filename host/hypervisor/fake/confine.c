/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/fake/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

#define CLEAR_TRIES 200
#define CLEAR_PAUSE 5000 /* us */

static int open_dir(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Make the directory behind @fd appear at @path again. */
static int bind_back(int fd, const char *path)
{
	auto_free char *source = xasprintf("/proc/self/fd/%d", fd);
	int r = dir_make(path, 0755, NULL);

	if (r < 0)
		return r;
	return mount(source, path, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno : 0;
}

/* An empty /run, but for the sandbox's directories. */
static int cover_run(const struct confine *c)
{
	auto_close int run = open_dir(c->run_dir);
	auto_close int share = c->share_dir ? open_dir(c->share_dir) : -1;
	int r;

	if (run < 0 || (c->share_dir && share < 0))
		return run < 0 ? run : share;
	if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
		return -errno;
	r = bind_back(run, c->run_dir);
	if (r == 0 && c->share_dir)
		r = bind_back(share, c->share_dir);
	return r;
}

/* Our group takes the place of each hierarchy's root, as the cgroup namespace has it. */
static int cover_cgroups(const struct confine *c)
{
	for (size_t i = 0; c->group && i < cgroup_hierarchies(); i++) {
		const char *at = cgroup_hierarchy_mount(i);
		auto_free char *source = xasprintf("%s%s", at, c->group_path);

		if (mount(source, at, NULL, MS_BIND, NULL) < 0)
			return -errno;
	}
	return 0;
}

static int cover_mounts(const struct confine *c)
{
	int r;

	/* What is mounted for later containers arrives here; nothing goes out. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -errno;
	r = cover_run(c);
	if (r == 0)
		r = cover_cgroups(c);
	if (r < 0)
		return r;
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	return 0;
}

/*
 * In version 2 a group with processes of its own can have no children with
 * limits, so that we move on into a child. It is made by hand, because
 * cgroup_create() would give controllers to a group that is not empty.
 */
static int enter_leaf(const struct confine *c)
{
	for (size_t i = 0; i < cgroup_hierarchies(); i++) {
		auto_free char *leaf = NULL, *procs = NULL;
		int r;

		if (*cgroup_hierarchy_name(i))
			continue; /* version 1 */
		leaf = xasprintf("%s%s/agent", cgroup_hierarchy_mount(i), c->group_path);
		procs = path_join(leaf, "cgroup.procs");
		if (mkdir(leaf, 0755) < 0)
			return -errno;
		r = file_write_knob(procs, "0", 1, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

static int enter_namespaces(const struct confine *c)
{
	int flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
	int r = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	/* The namespace's root is the group that we are in when it is made. */
	if (c->group)
		r = cgroup_attach(c->group, getpid(), NULL);
	if (r < 0)
		return r;
	if (unshare(flags) < 0)
		return -errno;
	if (c->group)
		r = enter_leaf(c);
	return r < 0 ? r : cover_mounts(c);
}

static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void close_above(int first)
{
	syscall(SYS_close_range, (unsigned)first, ~0U, 0);
}

/* Process 1: reaps what the containers leave and ends with the agent. */
static void init_main(pid_t agent)
{
	int status = 0;
	pid_t pid;

	close_above(3);
	do {
		pid = waitpid(-1, &status, 0);
	} while (pid != agent && (pid > 0 || errno == EINTR));
	_exit(pid == agent ? exit_code(status) : 1);
}

int confine_clear(struct confine *c)
{
	return c->group ? cgroup_remove(c->group, NULL) : 0;
}

static void guard_main(struct confine *c, pid_t init)
{
	struct pollfd p[2] = { { .fd = 3, .events = POLLIN }, { .events = POLLIN } };
	int status = 0;

	/* The owner's pipe becomes 3; all else is not ours to hold. */
	if (c->owner != 3)
		dup2(c->owner, 3);
	close_above(4);
	p[1].fd = (int)syscall(SYS_pidfd_open, init, 0);
	while (p[1].fd >= 0 && poll(p, 2, -1) < 0 && errno == EINTR)
		;
	kill(init, SIGKILL);
	while (waitpid(init, &status, 0) < 0 && errno == EINTR)
		;
	/* The kernel may take a moment until the last process has left. */
	for (int i = 0; confine_clear(c) == -EBUSY && i < CLEAR_TRIES; i++)
		usleep(CLEAR_PAUSE);
	_exit(exit_code(status));
}

int confine_enter(void *arg)
{
	struct confine *c = arg;
	pid_t pid;
	int r;

	/* The guard outlives the owner for as long as it takes to clear up. */
	if (prctl(PR_SET_PDEATHSIG, 0) < 0 || unshare(CLONE_NEWPID) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0)
		guard_main(c, pid);
	r = enter_namespaces(c);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0)
		init_main(pid);
	return 0;
}
