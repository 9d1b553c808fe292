/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/copy_up.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CHUNK (1u << 20)

static int copy_dir(int from, int to, int depth, struct err *err);

static int copy_file(int from, int to, const char *name, const struct stat *st, struct err *err)
{
	auto_close int src = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_close int dst = -1;
	ssize_t n;

	if (src < 0)
		return err_sys(err, errno, "%s", name);
	dst = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (dst < 0)
		return err_sys(err, errno, "%s", name);
	while ((n = sendfile(dst, src, NULL, CHUNK)) > 0)
		;
	/* The owner first: a change of it takes the set-user-ID bit away. */
	if (n < 0 || fchown(dst, st->st_uid, st->st_gid) < 0 ||
	    fchmod(dst, st->st_mode & 07777) < 0)
		return err_sys(err, errno, "%s", name);
	return 0;
}

static int copy_link(int from, int to, const char *name, const struct stat *st, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(err, errno, "%s", name);
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0 ||
	    fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "%s", name);
	return 0;
}

static int copy_subdir(int from, int to, const char *name, const struct stat *st, int depth,
		       struct err *err)
{
	auto_close int src = openat(from, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_close int dst = -1;
	int r;

	if (src < 0)
		return err_sys(err, errno, "%s", name);
	if (depth == 0)
		return err_set(err, ELOOP, "%s: too deep", name);
	if (mkdirat(to, name, 0700) < 0)
		return err_sys(err, errno, "%s", name);
	dst = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dst < 0)
		return err_sys(err, errno, "%s", name);
	r = copy_dir(src, dst, depth - 1, err);
	if (r < 0)
		return err_wrap(err, "%s", name);
	if (fchown(dst, st->st_uid, st->st_gid) < 0 || fchmod(dst, st->st_mode & 07777) < 0)
		return err_sys(err, errno, "%s", name);
	return 0;
}

static int copy_entry(int from, int to, const char *name, int depth, struct err *err)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, errno, "%s", name);
	if (S_ISDIR(st.st_mode))
		return copy_subdir(from, to, name, &st, depth, err);
	if (S_ISLNK(st.st_mode))
		return copy_link(from, to, name, &st, err);
	return S_ISREG(st.st_mode) ? copy_file(from, to, name, &st, err) : 0;
}

static int copy_dir(int from, int to, int depth, struct err *err)
{
	auto_close int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return err_sys(err, errno, "read directory");
	(void)take_fd(&fd); /* @d owns it */
	while ((e = readdir(d))) {
		int r;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = copy_entry(from, to, e->d_name, depth, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int copy_up(int from, int to, struct err *err)
{
	int r = copy_dir(from, to, COPY_UP_DEPTH, err);

	return r < 0 ? err_wrap(err, "copy up") : 0;
}
