/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of sandboxes that have no state: their shims' alone. See state.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "host/sandbox/state.h"

#define LOCK_LIMIT_MS 5000
#define LOCK_STEP_MS  10

bool state_exists(const char *root, const char *id)
{
	auto_free char *file = xasprintf("%s/%s/state.json", root, id);

	return access(file, F_OK) == 0;
}

/* What shims make in a directory before it has a state, and while that is written. */
static bool is_of_shim(const char *name)
{
	return !strcmp(name, SANDBOX_SOCKET) || !strcmp(name, SANDBOX_MONITOR) ||
	       !strcmp(name, SANDBOX_LOG) || str_starts(name, "state.json.");
}

/* Whose directory has a place below @root by accident keeps what is in it. */
static bool has_only_ours(const char *dir)
{
	auto_closedir DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return false;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && !is_of_shim(e->d_name))
			return false;
	return true;
}

static bool is_abandoned(const char *root, const char *id)
{
	auto_free char *dir = path_join(root, id), *socket = path_join(dir, SANDBOX_SOCKET);
	auto_close int fd = -1;

	if (state_exists(root, id))
		return false;
	fd = unix_connect(socket, true, NULL);
	return fd == -ECONNREFUSED && has_only_ours(dir);
}

int state_lock_root(const char *root, struct err *err)
{
	const struct timespec step = { .tv_nsec = LOCK_STEP_MS * 1000000L };
	auto_close int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "%s", root);
	for (int ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; ms += LOCK_STEP_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(err, errno, "%s: cannot be locked", root);
		if (ms >= LOCK_LIMIT_MS)
			return err_set(err, EBUSY, "%s: locked for %d s by another runtime", root,
				       LOCK_LIMIT_MS / 1000);
		nanosleep(&step, NULL);
	}
	return take_fd(&fd);
}

int state_remove_dir(const char *root, const char *id, struct err *err)
{
	auto_free char *dir = path_join(root, id);
	auto_free char *old = xasprintf("%s/.%s.%d.old", root, id, (int)getpid());

	if (rename(dir, old) < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "%s: cannot be removed", dir);
	return tree_remove(old, err);
}

int state_drop_abandoned(const char *root, const char *id, int lock, struct err *err)
{
	auto_free char *dir = path_join(root, id);
	auto_close int own = -1;
	int r;

	if (access(dir, F_OK) < 0 && errno == ENOENT)
		return 1;
	if (!is_abandoned(root, id))
		return 0;
	if (lock < 0) {
		own = state_lock_root(root, err);
		if (own < 0)
			return own;
		if (!is_abandoned(root, id)) /* any more */
			return 0;
	}
	r = state_remove_dir(root, id, err);
	return r < 0 ? r : 1;
}
