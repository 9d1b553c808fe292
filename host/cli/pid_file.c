/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

#define MODE 0644

/* A device or a pipe, or a link to one. */
static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

/*
 * A link to a file may be somebody's who wants that file written, and one that is replaced
 * may be the host's (/dev/stdout): neither is done.
 */
static bool is_link_to_file(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && !is_special(path);
}

static int check_link(const char *path, struct err *err)
{
	return is_link_to_file(path) ?
		       err_set(err, ELOOP, "pid file %s: it is a symbolic link to a file", path) :
		       0;
}

int pid_file_check(const struct pid_file *f, struct err *err)
{
	const char *path = f->path, *slash = path ? strrchr(path, '/') : NULL;
	auto_free char *dir = NULL;
	struct stat st;

	if (!path)
		return 0;
	if (!*path)
		return err_set(err, EINVAL, "flag --pid-file must not be empty");
	dir = slash == path ? xstrdup("/") :
	      slash	    ? xstrndup(path, (size_t)(slash - path)) :
			      xstrdup(".");
	if (stat(dir, &st) < 0)
		return err_sys(err, errno, "pid file %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_sys(err, ENOTDIR, "pid file %s", path);
	if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return err_sys(err, EISDIR, "pid file %s", path);
	return check_link(path, err);
}

static int write_into(const char *path, const char *text, struct err *err)
{
	auto_close int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

	if (r == 0 && S_ISREG(st.st_mode)) /* since it was looked at */
		r = -EEXIST;
	if (r == 0)
		r = fd_write_full(fd, text, strlen(text));
	return r < 0 ? err_sys(err, r, "%s: cannot write", path) : 0;
}

int pid_file_write(struct pid_file *f, pid_t pid, struct err *err)
{
	auto_free char *text = xasprintf("%d", (int)pid);
	int r;

	if (!f->path)
		return 0;
	r = check_link(f->path, err);
	if (r < 0)
		return r;
	r = is_special(f->path) ? write_into(f->path, text, err) :
				  file_replace(f->path, text, strlen(text), MODE, err);
	f->written = r == 0;
	return r < 0 ? err_wrap(err, "pid file") : 0;
}

void pid_file_remove(struct pid_file *f)
{
	if (f->written && !is_special(f->path) && !is_link_to_file(f->path))
		(void)unlink(f->path);
	f->written = false;
}
