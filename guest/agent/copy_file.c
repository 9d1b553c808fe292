/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/copy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "guest/agent/inroot.h"

/* The part of @path below @dir, NULL when it is not below it. */
static const char *below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/' ? path + n + 1 : NULL;
}

/* The directory @path below @root, its missing parts made with @mode. Descriptor. */
static int make_dirs(int root, const char *path, mode_t mode, struct err *err)
{
	auto_close int dir = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *p = path;

	if (dir < 0)
		return err_sys(err, errno, "%s", path);
	for (p += strspn(p, "/"); *p; p += strspn(p, "/")) {
		size_t len = strcspn(p, "/");
		auto_free char *name = xstrndup(p, len);
		auto_free char *upto = xstrndup(path, (size_t)(p - path) + len);
		int next = inroot_open(root, upto, O_PATH | O_DIRECTORY);

		if (next == -ENOENT) {
			if (mkdirat(dir, name, mode) < 0)
				return err_sys(err, errno, "make %s", upto);
			next = inroot_open(root, upto, O_RDONLY | O_DIRECTORY);
			/* The mask of the agent must not matter. By the descriptor: a container
			 * may have put a link in its place by now. */
			if (next >= 0 && fchmod(next, mode) < 0) {
				close(next);
				return err_sys(err, errno, "make %s", upto);
			}
		}
		if (next < 0)
			return err_sys(err, next, "%s", upto);
		close_fd(&dir);
		dir = next;
		p += len;
	}
	return take_fd(&dir);
}

static int give(int dir, const char *name, const Grpc__CopyFileRequest *req, struct err *err)
{
	int flags = *name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;

	if (fchownat(dir, name, (uid_t)req->uid, (gid_t)req->gid, flags) < 0)
		return err_sys(err, errno, "%s: owner %d:%d", req->path, req->uid, req->gid);
	return 0;
}

static int make_directory(int dir, const char *name, const Grpc__CopyFileRequest *req,
			  struct err *err)
{
	auto_close int fd = -1;

	/* A directory that is there keeps what it holds. */
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT && errno != EISDIR)
		return err_sys(err, errno, "%s", req->path);
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "%s", req->path);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "%s", req->path);
	if (give(fd, "", req, err) < 0)
		return err->code;
	if (fchmod(fd, req->file_mode & 07777) < 0)
		return err_sys(err, errno, "%s", req->path);
	return 0;
}

/* Where a file grows: beside it, by a name that is as long as names may be at most. */
static char *part_name(const char *name)
{
	uint32_t hash = 5381;

	if (strlen(name) + strlen("..part") <= NAME_MAX)
		return xasprintf(".%s.part", name);
	for (const char *p = name; *p; p++)
		hash = hash * 33 + (unsigned char)*p;
	return xasprintf(".%08x.part", hash);
}

static int make_symlink(int dir, const char *name, const Grpc__CopyFileRequest *req,
			struct err *err)
{
	auto_free char *target =
		req->data.len ? xstrndup((const char *)req->data.data, req->data.len) : NULL;
	auto_free char *part = NULL;

	if (!target || strlen(target) != req->data.len || req->data.len >= PATH_MAX)
		return err_set(err, EINVAL, "%s: the link leads to no path", req->path);
	/* Whoever looks finds the old one or the new one. */
	part = part_name(name);
	(void)unlinkat(dir, part, 0);
	if (symlinkat(target, dir, part) < 0)
		return err_sys(err, errno, "%s", req->path);
	if (give(dir, part, req, err) == 0 && renameat(dir, part, dir, name) == 0)
		return 0;
	if (err->code == 0)
		err_sys(err, errno, "%s", req->path);
	(void)unlinkat(dir, part, 0);
	return err->code;
}

static int write_part(int fd, const Grpc__CopyFileRequest *req, struct err *err)
{
	size_t done = 0;

	while (done < req->data.len) {
		ssize_t n = pwrite(fd, req->data.data + done, req->data.len - done,
				   req->offset + (off_t)done);

		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "write %s", req->path);
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int make_file(int dir, const char *name, const Grpc__CopyFileRequest *req, struct err *err)
{
	/* Nobody sees half a file, and the next part finds this one. */
	auto_free char *part = part_name(name);
	/* A container may have put something else there: no wait for a FIFO's reader. */
	int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	auto_close int fd = openat(dir, part, flags | (req->offset ? 0 : O_TRUNC), 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s", req->path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: %s is no file", req->path, part);
	if (write_part(fd, req, err) < 0)
		return err->code;
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s", req->path);
	if (st.st_size != req->file_size)
		return 0;
	if (give(fd, "", req, err) < 0)
		return err->code;
	if (fchmod(fd, req->file_mode & 07777) < 0 || renameat(dir, part, dir, name) < 0)
		return err_sys(err, errno, "%s", req->path);
	return 0;
}

static int check(const Grpc__CopyFileRequest *req, struct err *err)
{
	mode_t type = req->file_mode & S_IFMT;

	if (strlen(req->path) >= PATH_MAX)
		return err_set(err, ENAMETOOLONG, "a path of %zu bytes", strlen(req->path));
	if (type != 0 && type != S_IFREG && type != S_IFDIR && type != S_IFLNK)
		return err_set(err, EINVAL, "%s: type %o cannot be copied", req->path,
			       (unsigned)type);
	if (type == S_IFDIR || type == S_IFLNK)
		return 0;
	if (req->offset < 0 || req->file_size < 0 || req->offset > req->file_size ||
	    (uint64_t)(req->file_size - req->offset) < req->data.len)
		return err_set(err, EINVAL, "%s: part at %lld is not within its %lld bytes",
			       req->path, (long long)req->offset, (long long)req->file_size);
	return 0;
}

static bool is_directory(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

int copy_file(const Grpc__CopyFileRequest *req, const char *shared, struct err *err)
{
	const char *path = below(req->path, shared), *name;
	auto_close int root = -1, dir = -1;
	auto_free char *parent = NULL;

	if (!path)
		return err_set(err, EPERM, "%s is not below %s", req->path, shared);
	if (check(req, err) < 0 || dir_make(shared, 0755, err) < 0)
		return err->code;
	root = open(shared, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, errno, "%s", shared);
	name = strrchr(path, '/');
	parent = xstrndup(path, name ? (size_t)(name - path) : 0);
	name = name ? name + 1 : path;
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return err_set(err, EINVAL, "%s: not the path of a file", req->path);
	dir = make_dirs(root, parent, req->dir_mode & 0777, err);
	if (dir < 0)
		return dir;
	if (give(dir, "", req, err) < 0)
		return err->code;
	if (S_ISDIR(req->file_mode))
		return make_directory(dir, name, req, err);
	/* Only a directory is in the way of what is renamed into its place. */
	if (req->offset == 0 && is_directory(dir, name)) {
		auto_free char *old = xasprintf("/proc/self/fd/%d/%s", dir, name);

		if (tree_remove(old, err) < 0)
			return err->code;
	}
	return S_ISLNK(req->file_mode) ? make_symlink(dir, name, req, err) :
					 make_file(dir, name, req, err);
}
