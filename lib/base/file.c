/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

int file_read(const char *path, size_t max, struct str *out, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t total = 0;
	char buf[4096];

	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (S_ISDIR(st.st_mode))
		return err_set(err, EISDIR, "%s: is a directory", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: not a regular file", path);
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "%s: cannot read", path);
		if (n == 0)
			return 0;
		total += (size_t)n;
		if (total > max)
			return err_set(err, EFBIG, "%s: larger than %zu bytes", path, max);
		str_add(out, buf, (size_t)n);
	}
}

int file_write_knob(const char *path, const void *data, size_t len, struct err *err)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	n = write(fd, data, len);
	if (n < 0)
		return err_sys(err, errno, "%s: cannot write '%.*s'", path, (int)len,
			       (const char *)data);
	if ((size_t)n != len)
		return err_set(err, EIO, "%s: short write", path);
	return 0;
}

int file_replace(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
	auto_free char *tmp = xasprintf("%s.%d.tmp", path, (int)getpid());
	auto_close int fd = -1;
	int r;

	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_sys(err, errno, "%s", tmp);
	r = fd_write_full(fd, data, len);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(tmp);
		return err_sys(err, r, "%s: cannot write", path);
	}
	return 0;
}

int dir_make(const char *path, mode_t mode, struct err *err)
{
	auto_free char *copy = xstrdup(path);
	struct stat st;

	for (char *p = copy + 1; copy[0] && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return err_sys(err, errno, "%s: cannot make directory", copy);
		*p = '/';
	}
	if (mkdir(copy, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(err, errno, "%s: cannot make directory", path);
	if (stat(path, &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "%s: exists and is not a directory", path);
	return 0;
}

static int remove_at(int parent, const char *name, const char *path, struct err *err);

static int empty_dir(int parent, const char *name, const char *path, struct err *err)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_closedir DIR *dir = NULL;
	struct dirent *e;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "%s", path);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_sys(err, ENOMEM, "%s", path);
	}
	while ((e = readdir(dir))) {
		auto_free char *child = NULL;
		int r;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		child = path_join(path, e->d_name);
		r = remove_at(dirfd(dir), e->d_name, child, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * The kernel is asked what is a mount point, since a bind mount has the device
 * number of its place when both lie on one file system. (Linux 5.8; closing
 * descriptors in proc.c needs 5.9 already. By number: musl has had it for a short time.)
 */
static int remove_at(int parent, const char *name, const char *path, struct err *err)
{
	struct statx st;
	int r;

	if (syscall(SYS_statx, parent, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE,
		    &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "%s", path);
	if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return err_set(err, EBUSY, "%s: is a mount point, not removed", path);
	if (!S_ISDIR(st.stx_mode)) {
		if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
			return err_sys(err, errno, "%s: cannot remove", path);
		return 0;
	}
	r = empty_dir(parent, name, path, err);
	if (r < 0)
		return r;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(err, errno, "%s: cannot remove", path);
	return 0;
}

int tree_remove(const char *path, struct err *err)
{
	return remove_at(AT_FDCWD, path, path, err);
}

char *path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	while (*name == '/')
		name++;
	return xasprintf("%.*s%s%s", (int)n, dir, n == 1 && dir[0] == '/' ? "" : "/", name);
}

char *path_real(const char *path, struct err *err)
{
	char *real = realpath(path, NULL);

	if (!real)
		err_sys(err, errno, "%s", path);
	return real;
}
