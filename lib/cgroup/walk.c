/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container that may write to its groups nests them as deep as it likes: deeper
 * than a path is long, than there are descriptors, than the stack. So the way is
 * kept on the heap, and only the directory at hand is open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "cgroup/internal.h"

/* A directory on the way: those in it that are groups, and which of them is next. */
struct level {
	struct strv names;
	size_t at;
};

struct way {
	struct level *v;
	size_t n;
	int dir; /* of the last level */
};

static void push(struct way *w, struct strv names)
{
	/* The room doubles at each power of two. */
	if ((w->n & (w->n - 1)) == 0)
		w->v = xrealloc(w->v, (w->n ? 2 * w->n : 1) * sizeof(*w->v));
	w->v[w->n++] = (struct level){ .names = names };
}

static int list_groups(int dir, struct strv *names)
{
	auto_close int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return -errno;
	(void)take_fd(&fd); /* @d owns it */
	while ((e = readdir(d)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			strv_add(names, e->d_name);
	return 0;
}

static bool is_gone(int r)
{
	return r == -ENOENT || r == -ENODEV;
}

/* Into the next group of the last level. -errno when it cannot be entered. */
static int go_down(struct way *w)
{
	struct level *l = &w->v[w->n - 1];
	auto_close int fd =
		openat(w->dir, l->names.v[l->at], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct strv names = { NULL, 0 };
	int r = fd < 0 ? -errno : list_groups(fd, &names);

	if (r < 0) {
		strv_free(&names);
		l->at++;
		return r;
	}
	close_fd(&w->dir);
	w->dir = take_fd(&fd);
	push(w, names);
	return 0;
}

/* Out of the last level, all of whose groups are done. */
static int go_up(struct way *w, walk_fn fn, void *arg)
{
	struct level *l;
	int up, r;

	strv_free(&w->v[--w->n].names);
	if (w->n == 0)
		return 0;
	up = openat(w->dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (up < 0)
		return -errno;
	close_fd(&w->dir);
	w->dir = up;
	l = &w->v[w->n - 1];
	r = fn(w->dir, l->names.v[l->at], arg);
	l->at++;
	return r;
}

int walk_groups(const char *dir, walk_fn fn, void *arg)
{
	auto_free char *above = xstrdup(dir);
	char *name = strrchr(above, '/');
	struct strv first_level = { NULL, 0 };
	struct way w = { .dir = -1 };
	int first = 0;

	*name++ = '\0';
	w.dir = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w.dir < 0)
		return is_gone(-errno) ? 0 : -errno;
	strv_add(&first_level, name);
	push(&w, first_level);
	while (w.n > 0) {
		const struct level *l = &w.v[w.n - 1];
		int r = l->at < l->names.n ? go_down(&w) : go_up(&w, fn, arg);

		if (r < 0 && !is_gone(r) && first == 0)
			first = r;
	}
	close_fd(&w.dir);
	free(w.v);
	return first;
}

char *walk_file(int parent, const char *name, const char *file)
{
	return xasprintf("/proc/self/fd/%d/%s/%s", parent, name, file);
}
