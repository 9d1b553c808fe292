/* SPDX-License-Identifier: Apache-2.0 */
/* One round: from a source to its copy. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "guest/agent/mounts.h"
#include "guest/agent/watch.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define TEMPORARY ".kata-copy"

enum phase { FILES, LINKS, LEFTOVERS };

/* The entries of the directory @fd, which stays open. */
static DIR *list(int fd)
{
	int own = openat(fd, ".", DIR_FLAGS);
	DIR *d = own < 0 ? NULL : fdopendir(own);

	if (!d)
		close_fd(&own);
	return d;
}

static struct dirent *next(DIR *d)
{
	struct dirent *e;

	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			return e;
	return NULL;
}

struct amount {
	size_t entries;
	uint64_t bytes;
};

static int measure(int fd, struct amount *a)
{
	auto_closedir DIR *d = list(fd);
	struct dirent *e;
	int r = d ? 0 : -errno;

	while (r == 0 && (e = next(d))) {
		auto_close int child = -1;
		struct stat st;

		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		a->entries++;
		a->bytes += S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size;
		if (a->entries > WATCH_ENTRIES_MAX || a->bytes > WATCH_BYTES_MAX)
			return -E2BIG;
		child = S_ISDIR(st.st_mode) ? openat(fd, e->d_name, DIR_FLAGS) : -1;
		if (child >= 0)
			r = measure(child, a);
	}
	return r;
}

static bool same_owner(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return same_owner(a, b) && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The content, then the time, which tells the next round that nothing changed. */
static int fill(int from, int to, const struct stat *st)
{
	const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };
	size_t total = 0;
	char buf[16384];
	ssize_t n;

	while ((n = pread(from, buf, sizeof(buf), (off_t)total)) > 0) {
		if (total + (size_t)n > WATCH_BYTES_MAX)
			return -E2BIG;
		if (pwrite(to, buf, (size_t)n, (off_t)total) != n)
			return -ENOSPC;
		total += (size_t)n;
	}
	if (n < 0 || ftruncate(to, (off_t)total) < 0 || fchown(to, st->st_uid, st->st_gid) < 0 ||
	    fchmod(to, st->st_mode & 07777) < 0 || futimens(to, times) < 0)
		return -errno;
	return 0;
}

static int remove_at(int dir, const char *name)
{
	auto_free char *path = NULL;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	path = xasprintf("/proc/self/fd/%d/%s", dir, name);
	return tree_remove(path, NULL);
}

static int put(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		(void)remove_at(dir, name); /* or the next step says why not */
	return renameat(dir, TEMPORARY, dir, name) < 0 ? -errno : 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	auto_close int in = -1, out = -1;
	struct stat now;
	int r;

	if (fstatat(to, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && same_file(&now, st))
		return 0;
	in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	(void)remove_at(to, TEMPORARY);
	out = openat(to, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (in < 0 || out < 0)
		return -errno;
	r = fill(in, out, st);
	return r < 0 ? r : put(to, name);
}

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
	char want[PATH_MAX], have[PATH_MAX];
	ssize_t n = readlinkat(from, name, want, sizeof(want) - 1);
	ssize_t m = readlinkat(to, name, have, sizeof(have) - 1);

	if (n < 0)
		return -errno;
	want[n] = '\0';
	if (n == m && !memcmp(want, have, (size_t)n))
		return 0;
	(void)remove_at(to, TEMPORARY);
	if (symlinkat(want, to, TEMPORARY) < 0 ||
	    fchownat(to, TEMPORARY, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return put(to, name);
}

static int give(int fd, const struct stat *st)
{
	struct stat now;

	if (fstat(fd, &now) < 0)
		return -errno;
	if (same_owner(&now, st))
		return 0;
	return fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0 ?
		       -errno :
		       0;
}

static int copy_tree(int from, int to, enum phase phase);

static int copy_dir(int from, int to, const char *name, const struct stat *st, enum phase phase)
{
	auto_close int in = openat(from, name, DIR_FLAGS), out = -1;
	struct stat now;
	int r = 0;

	if (phase == FILES && fstatat(to, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISDIR(now.st_mode))
		(void)remove_at(to, name);
	if (phase == FILES && mkdirat(to, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	out = openat(to, name, DIR_FLAGS);
	if (in < 0 || out < 0)
		return -errno;
	if (phase == FILES)
		r = give(out, st);
	return r < 0 ? r : copy_tree(in, out, phase);
}

static int remove_others(int from, int to)
{
	auto_closedir DIR *d = list(to);
	struct dirent *e;
	int r = d ? 0 : -errno;

	while (r == 0 && (e = next(d))) {
		struct stat st;

		if (fstatat(from, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			r = remove_at(to, e->d_name);
	}
	return r;
}

static int copy_tree(int from, int to, enum phase phase)
{
	auto_closedir DIR *d = list(from);
	struct dirent *e;
	int r = d ? 0 : -errno;

	while (r == 0 && (e = next(d))) {
		struct stat st;

		if (fstatat(from, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* gone meanwhile */
		if (S_ISDIR(st.st_mode))
			r = copy_dir(from, to, e->d_name, &st, phase);
		else if (S_ISREG(st.st_mode) && phase == FILES)
			r = copy_file(from, to, e->d_name, &st);
		else if (S_ISLNK(st.st_mode) && phase == LINKS)
			r = copy_link(from, to, e->d_name, &st);
		if (r == -ENOENT)
			r = 0;
	}
	if (r == 0 && phase == LEFTOVERS)
		r = remove_others(from, to);
	return r;
}

/* In place: a container binds the file itself and would not see another one. */
static int copy_single(int from, const struct stat *st, const char *target, bool make)
{
	int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	auto_close int to = open(target, flags | (make ? O_CREAT : 0), 0600);
	struct stat now;

	if (to < 0 || fstat(to, &now) < 0)
		return -errno;
	if (st->st_size > (off_t)WATCH_BYTES_MAX)
		return -E2BIG;
	return same_file(&now, st) ? 0 : fill(from, to, st);
}

static int copy_whole(int from, const struct stat *st, const char *target, bool make)
{
	struct amount a = { .entries = 1 };
	auto_close int to = -1;
	int r = measure(from, &a);

	if (r < 0)
		return r;
	if (make && mkdir(target, 0700) < 0 && errno != EEXIST)
		return -errno;
	to = open(target, DIR_FLAGS);
	if (to < 0)
		return -errno;
	r = give(to, st);
	for (int phase = FILES; r == 0 && phase <= LEFTOVERS; phase++)
		r = copy_tree(from, to, (enum phase)phase);
	return r;
}

static int bind_instead(int from, const struct stat *st, const char *target, struct err *err)
{
	auto_close int place = -1;

	if (S_ISDIR(st->st_mode) && mkdir(target, 0755) < 0 && errno != EEXIST)
		return err_sys(err, errno, "%s", target);
	place = open(target, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return place < 0 ? err_sys(err, errno, "%s", target) :
			   mount_bind_fd(from, place, target, err);
}

int watch_copy(const char *source, const char *target, bool first, struct err *err)
{
	auto_close int from = open(source, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct statx sx;
	struct stat st;
	int r;

	if (statx(AT_FDCWD, target, AT_SYMLINK_NOFOLLOW, 0, &sx) == 0 &&
	    sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return 0;
	if (from < 0 || fstat(from, &st) < 0)
		return err_sys(err, errno, "%s", source);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return err_set(err, EINVAL, "%s: neither a file nor a directory", source);
	r = S_ISDIR(st.st_mode) ? copy_whole(from, &st, target, first) :
				  copy_single(from, &st, target, first);
	if (r == -E2BIG && first)
		return bind_instead(from, &st, target, err);
	return r < 0 ? err_sys(err, r, "copy %s", source) : 0;
}
