/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/fs_group.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* One descriptor is open for each level. */
#define DEPTH_MAX 400

#define MODE_RW	 0660
#define MODE_RO	 0440
#define MODE_DIR (0110 | S_ISGID)

static int change(int fd, gid_t gid, mode_t mask, const char *name, struct err *err)
{
	struct stat st;

	/* In this order: a change of the owner takes setgid away. */
	if (fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH) < 0 || fstat(fd, &st) < 0 ||
	    fchmod(fd, (st.st_mode & 07777) | mask) < 0)
		return err_sys(err, errno, "%s", name);
	return 0;
}

/* @fd is an open directory, and stays so. */
static int change_tree(int fd, gid_t gid, mode_t mask, unsigned depth, const char *name,
		       struct err *err)
{
	auto_closedir DIR *d = NULL;
	struct dirent *e;
	int own = dup(fd), r = 0;

	if (depth > DEPTH_MAX)
		return err_set(err, ELOOP, "%s: more than %d directories deep", name, DEPTH_MAX);
	d = own < 0 ? NULL : fdopendir(own);
	if (!d) {
		r = err_sys(err, errno, "%s", name);
		close_fd(&own);
		return r;
	}
	while (r == 0 && (e = readdir(d))) {
		auto_close int child = -1;
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* gone meanwhile */
		if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
			continue; /* a link, or a FIFO that nobody writes to */
		child = openat(fd, e->d_name,
			       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC |
				       (S_ISDIR(st.st_mode) ? O_DIRECTORY : 0));
		if (child < 0)
			r = err_sys(err, errno, "%s", e->d_name);
		else if (S_ISDIR(st.st_mode))
			r = change_tree(child, gid, mask, depth + 1, e->d_name, err);
		else
			r = change(child, gid, mask, e->d_name, err);
	}
	return r < 0 ? r : change(fd, gid, mask | MODE_DIR, name, err);
}

int fs_group_apply(const char *path, const Grpc__FSGroup *g, bool read_only, struct err *err)
{
	mode_t mask = read_only ? MODE_RO : MODE_RW;
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (g->group_change_policy == TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch &&
	    st.st_gid == g->group_id && (st.st_mode & (mask | 0110)) == (mask | 0110) &&
	    (st.st_mode & S_ISGID))
		return 0;
	r = S_ISDIR(st.st_mode) ? change_tree(fd, g->group_id, mask, 0, path, err) :
				  change(fd, g->group_id, mask, path, err);
	return r < 0 ? err_wrap(err, "group %u", g->group_id) : 0;
}
