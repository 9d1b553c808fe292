/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/image/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define IMAGE ".erofs"
#define PART  ".part"

/* How often one that waits for another maker looks again. */
#define MAKER_POLL_NS 2000000

static char *part_name(const char *key)
{
	return xasprintf("%s" PART, key);
}

char *cache_name(const char *key)
{
	return xasprintf("%s" IMAGE, key);
}

int cache_dir(const char *path, struct err *err)
{
	int fd;

	if (dir_make(path, 0700, err) < 0)
		return err->code;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "%s", path) : fd;
}

static int lock(int fd, int how)
{
	int r;

	do
		r = flock(fd, how);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* What was locked may have been renamed or removed before. */
static bool is_at(int fd, int dir, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int cache_open(int dir, const char *key, struct err *err)
{
	auto_free char *name = cache_name(key);

	for (;;) {
		auto_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		int r = fd < 0 ? -errno : lock(fd, LOCK_SH);

		if (r < 0)
			return r == -ENOENT ? r : err_sys(err, r, "image %s", name);
		if (!is_at(fd, dir, name))
			continue;
		(void)futimens(fd, NULL);
		return take_fd(&fd);
	}
}

int cache_begin(int dir, const char *key, int *made, struct err *err)
{
	auto_free char *name = part_name(key);

	*made = -1;
	for (;;) {
		auto_close int fd =
			openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		int r = fd < 0 ? -errno : lock(fd, LOCK_EX | LOCK_NB);

		/*
		 * Not waited for in the lock's queue: once the image is made the same file is
		 * locked by those who use it, for as long as they do.
		 */
		if (r == -EWOULDBLOCK && is_at(fd, dir, name)) {
			(void)nanosleep(&(struct timespec){ .tv_nsec = MAKER_POLL_NS }, NULL);
			continue;
		}
		if (r < 0 && r != -EWOULDBLOCK)
			return err_sys(err, r, "image %s", name);
		if (r < 0 || !is_at(fd, dir, name)) {
			/* The one who had it has made it, or has given up. This lock would be
			 * in the way of the next. */
			close_fd(&fd);
			*made = cache_open(dir, key, err);
			if (*made >= 0)
				return 0;
			if (*made != -ENOENT)
				return *made;
			continue;
		}
		/* Somebody may have made it between a look for it and this lock. */
		*made = cache_open(dir, key, err);
		if (*made >= 0 || *made != -ENOENT) {
			cache_abandon(dir, key, take_fd(&fd));
			return *made < 0 ? *made : 0;
		}
		*made = -1;
		if (ftruncate(fd, 0) < 0)
			return err_sys(err, errno, "image %s", name);
		return take_fd(&fd);
	}
}

int cache_commit(int dir, const char *key, int part, struct err *err)
{
	auto_free char *from = part_name(key), *to = cache_name(key);
	int r = fsync(part) < 0 ? -errno : 0;

	if (r == 0 && renameat(dir, from, dir, to) < 0)
		r = -errno;
	if (r < 0) {
		cache_abandon(dir, key, part);
		return err_sys(err, r, "image %s", to);
	}
	r = fsync(dir) < 0 ? -errno : 0;
	/* The lock goes with the descriptor; until the next one somebody may remove it. */
	close(part);
	if (r == 0)
		r = cache_open(dir, key, err);
	else
		err_sys(err, r, "image %s", to);
	return r == -ENOENT ? err_set(err, EAGAIN, "image %s: was removed at once", to) : r;
}

void cache_abandon(int dir, const char *key, int part)
{
	auto_free char *name = part_name(key);

	if (is_at(part, dir, name))
		(void)unlinkat(dir, name, 0);
	close(part);
}

/* ---- the bound ------------------------------------------------------------------------ */

struct image {
	char *name;
	uint64_t size;
	struct timespec used;
};

/* Remove it if nobody has it. */
static bool remove_unused(int dir, const char *name)
{
	auto_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && lock(fd, LOCK_EX | LOCK_NB) == 0 && is_at(fd, dir, name) &&
	       unlinkat(dir, name, 0) == 0;
}

static int by_use(const void *a, const void *b)
{
	const struct timespec *x = &((const struct image *)a)->used;
	const struct timespec *y = &((const struct image *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

/* All images; what dead makers left goes. */
static struct image *list(int dir, size_t *n)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct image *v = NULL;
	struct dirent *e;

	*n = 0;
	while (d && (e = readdir(d))) {
		struct stat st;

		if (str_ends(e->d_name, PART))
			(void)remove_unused(dir, e->d_name);
		if (!str_ends(e->d_name, IMAGE) ||
		    fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		v = xrealloc(v, (*n + 1) * sizeof(*v));
		v[(*n)++] = (struct image){
			.name = xstrdup(e->d_name),
			.size = (uint64_t)st.st_blocks * 512,
			.used = st.st_mtim,
		};
	}
	return v;
}

void cache_bound(int dir, uint64_t max)
{
	size_t n;
	struct image *v = list(dir, &n);
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += v[i].size;
	if (n > 0)
		qsort(v, n, sizeof(*v), by_use);
	for (size_t i = 0; i < n; i++) {
		if (all > max && remove_unused(dir, v[i].name))
			all -= v[i].size;
		free(v[i].name);
	}
	free(v);
}
