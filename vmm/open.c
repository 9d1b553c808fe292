/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

#define FD_PREFIX "fd:"

int open_is_fd(const char *name, int *fd)
{
	size_t len = strlen(FD_PREFIX);
	char *end;
	long n;

	if (strncmp(name, FD_PREFIX, len) != 0)
		return 0;
	n = strtol(name + len, &end, 10);
	if (name[len] < '0' || name[len] > '9' || *end || n > INT_MAX)
		return -EINVAL;
	*fd = (int)n;
	return 1;
}

/* As open_is_fd(), with the message; the descriptor is close-on-exec now. */
static int inherited(const char *what, const char *name, int *fd, struct err *err)
{
	int r = open_is_fd(name, fd);

	if (r < 0)
		return err_set(err, EINVAL, "%s: \"%s\" is no descriptor", what, name);
	if (r == 0)
		return 0;
	r = fd_set_cloexec(*fd, true);
	return r < 0 ? err_sys(err, r, "%s: %s", what, name) : 1;
}

int open_file(const char *what, const char *name, int flags, struct err *err)
{
	int fd = -1;
	int r = inherited(what, name, &fd, err);

	if (r != 0)
		return r < 0 ? r : fd;
	fd = open(name, flags | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(err, errno, "%s: %s", what, name);
}

/* A socket that is inherited may block: it was for somebody else to use. */
static int nonblocking(const char *what, const char *name, int fd, struct err *err)
{
	int r = fd_set_nonblock(fd, true);

	return r < 0 ? err_sys(err, r, "%s: %s", what, name) : fd;
}

int open_listener(const char *what, const char *name, struct err *err)
{
	int fd = -1;
	int r = inherited(what, name, &fd, err);

	if (r < 0)
		return r;
	if (r > 0)
		return nonblocking(what, name, fd, err);
	fd = unix_listen(name, SOMAXCONN, err);
	return fd >= 0 ? fd : err_wrap(err, "%s", what);
}

int open_connection(const char *what, const char *name, struct err *err)
{
	int fd = -1;
	int r = inherited(what, name, &fd, err);

	if (r < 0)
		return r;
	if (r > 0)
		return nonblocking(what, name, fd, err);
	fd = unix_connect(name, true, err);
	return fd >= 0 ? fd : err_wrap(err, "%s", what);
}
