/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

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

int open_file(const char *what, const char *name, int flags, struct err *err)
{
	int fd = -1;
	int r = open_is_fd(name, &fd);

	if (r < 0)
		return err_set(err, EINVAL, "%s: \"%s\" is no descriptor", what, name);
	if (r == 0) {
		fd = open(name, flags | O_CLOEXEC);
		return fd >= 0 ? fd : err_sys(err, errno, "%s: %s", what, name);
	}
	r = fd_set_cloexec(fd, true);
	return r < 0 ? err_sys(err, r, "%s: %s", what, name) : fd;
}
