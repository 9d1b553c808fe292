/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/image/writable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/str.h"
#include "host/storage/image/sha256.h"

#define MKFS_MS	 30000
#define MKFS_OUT 4096
#define IMAGE	 ".img"
#define OF	 ".of" /* beside it: whose it is */
#define OF_MAX	 8192  /* its device, and identity() */

/* "<inode> <time of birth> <path>": a directory made in the place of another is another. */
static char *identity(const char *rootfs)
{
	struct statx st;

	if (statx(AT_FDCWD, rootfs, 0, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
		return NULL;
	return xasprintf("%llu %lld.%u %s", (unsigned long long)st.stx_ino,
			 (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec, rootfs);
}

/* The device of the nearest directory above @path that is there. */
static unsigned long long device_above(const char *path)
{
	auto_free char *above = xstrdup(path);
	struct stat st;

	do {
		char *slash = strrchr(above, '/');

		*(slash == above ? slash + 1 : slash) = '\0';
	} while (stat(above, &st) < 0 && strcmp(above, "/") != 0);
	return (unsigned long long)st.st_dev;
}

/* What is only not mounted here is not gone. */
static bool is_gone(const char *of)
{
	auto_str struct str text = STR_INIT;
	auto_free char *now = NULL;
	const char *path, *was;

	if (file_read(of, OF_MAX, &text, NULL) < 0)
		return false;
	path = strchr(str_text(&text), '/');
	was = strchr(str_text(&text), ' ');
	if (!path || !was || strtoull(str_text(&text), NULL, 10) != device_above(path))
		return false;
	now = identity(path);
	return !now || strcmp(now, was + 1) != 0;
}

static int lock_alone(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static void sweep(const char *dir)
{
	auto_closedir DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		auto_free char *of = path_join(dir, e->d_name), *image = NULL;
		auto_close int fd = -1;

		if (!str_ends(e->d_name, OF) || !is_gone(of))
			continue;
		image = xasprintf("%.*s" IMAGE, (int)(strlen(of) - strlen(OF)), of);
		fd = open(image, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && (lock_alone(fd) < 0 || unlink(image) < 0))
			continue;
		(void)unlink(of);
	}
}

char *writable_place(const char *dir, const char *rootfs, struct err *err)
{
	auto_free char *id = identity(rootfs), *of = NULL, *text = NULL;
	char name[SHA256_HEX];
	struct sha256 hash;

	if (!id) {
		err_sys(err, errno, "%s", rootfs);
		return NULL;
	}
	if (dir_make(dir, 0700, err) < 0)
		return NULL;
	sweep(dir);
	sha256_begin(&hash);
	sha256_add(&hash, id, strlen(id));
	sha256_end(&hash, name);
	of = xasprintf("%s/%s" OF, dir, name);
	text = xasprintf("%llu %s", device_above(rootfs), id);
	if (file_replace(of, text, strlen(text), 0600, err) < 0)
		return NULL;
	return xasprintf("%s/%s" IMAGE, dir, name);
}

static uint64_t default_size(const char *dir)
{
	struct statvfs fs;
	uint64_t room = 0;

	if (statvfs(dir, &fs) == 0)
		room = (uint64_t)fs.f_bavail * fs.f_frsize;
	room = room < WRITABLE_MAX ? room : WRITABLE_MAX;
	room = room > WRITABLE_MIN ? room : WRITABLE_MIN;
	return room >> 20 << 20;
}

/* The last line says why. */
static const char *last_line(const struct str *out)
{
	const char *text = str_text(out), *last = text;

	for (const char *p = text; *p; p++)
		if (*p == '\n' && p[1] && p[1] != '\n')
			last = p + 1;
	return last;
}

static int make_fs(const char *path, struct err *err)
{
	const char *const argv[] = {
		"mkfs.ext4",
		"-q",
		"-F",
		"-m",
		"0",
		"-E",
		"lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0",
		path,
		NULL
	};
	auto_str struct str out = STR_INIT;
	int status = proc_run(argv, MKFS_MS, MKFS_OUT, &out, err);

	if (status < 0)
		return err_wrap(err, "the file system of %s (the package e2fsprogs has it)", path);
	for (size_t i = 0; i < out.len && out.data[i]; i++)
		if (out.data[i] == '\n' && i + 1 == out.len)
			out.data[i] = '\0';
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(err, EIO, "%s: cannot make its file system: %s", path,
			       last_line(&out));
	return 0;
}

static int make(const char *path, uint64_t size, struct err *err)
{
	auto_free char *part = xasprintf("%s.part", path), *dir = xstrdup(path);
	auto_close int fd = open(part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = 0;

	*strrchr(dir, '/') = '\0';
	if (fd < 0)
		return err_sys(err, errno, "%s", part);
	if (lock_alone(fd) < 0)
		return err_set(err, EBUSY, "%s: another machine makes it", path);
	if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)(size ? size : default_size(dir))) < 0)
		r = err_sys(err, errno, "%s", path);
	if (r == 0)
		r = make_fs(part, err);
	/* What did not find room in the page cache is told here. */
	if (r == 0 && (fsync(fd) < 0 || rename(part, path) < 0))
		r = err_sys(err, errno, "%s", path);
	if (r < 0)
		(void)unlink(part);
	return r;
}

int writable_open(const char *path, uint64_t size, struct err *err)
{
	auto_close int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		int r = make(path, size, err);

		if (r < 0)
			return r;
		fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	if (lock_alone(fd) < 0)
		return err_set(err, EBUSY, "%s: another machine writes to it", path);
	return take_fd(&fd);
}
