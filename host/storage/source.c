/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define STACK_SIZE 16384

struct look {
	const struct source_place *place;
	const char *path;
	bool there;
	int fd; /* or -errno */
};

static int copy_tree(const char *path)
{
	int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	return fd < 0 ? -errno : fd;
}

/* A process with the memory and descriptors of its parent, but a place of its own. */
static int look(void *arg)
{
	struct look *l = arg;

	if (setns(l->place->ns, CLONE_NEWNS) < 0)
		return 0;
	if (l->place->root >= 0 && (fchdir(l->place->root) < 0 || chroot(".") < 0))
		return 0;
	l->there = true;
	l->fd = copy_tree(l->path);
	return 0;
}

int source_open(const struct source_place *place, const char *path)
{
	char stack[STACK_SIZE] __attribute__((aligned(16)));
	struct look l = { .place = place, .path = path, .fd = -1 };
	pid_t pid;

	if (place->ns < 0)
		return copy_tree(path);
	/* It runs to its end before this goes on. */
	pid = clone(look, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD,
		    &l);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	/* Where that place cannot be entered, most of it is seen from here as well. */
	return l.there ? l.fd : copy_tree(path);
}

bool source_is_here(const struct source_place *place, const char *path)
{
	auto_close int there = source_open(place, path);
	struct stat a, b;

	return there >= 0 && fstat(there, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}
