/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/inroot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

#define LINKS_MAX 40 /* as the kernel's own limit */

int inroot_open(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	/* EAGAIN: a rename or mount elsewhere raced with ".."; rare, so few tries do. */
	for (int i = 0; i < 32; i++) {
		long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

/* A walk: what is resolved so far, and what is left. */
struct walk {
	int root, dir;	 /* @dir: the directory @done, owned */
	struct str done; /* path from the root, made of components that exist */
	char *rest;	 /* components still to go, owned */
	int links;
	bool want_dir;
	const char *path; /* for messages */
};

static void walk_done(struct walk *w)
{
	close_fd(&w->dir);
	str_free(&w->done);
	free(w->rest);
}

/* Cut the first component off w->rest. NULL when none is left. The caller frees. */
static char *next_component(struct walk *w, bool *last)
{
	char *p = w->rest + strspn(w->rest, "/"), *end, *name, *rest;

	if (!*p)
		return NULL;
	end = p + strcspn(p, "/");
	name = xstrndup(p, (size_t)(end - p));
	rest = xstrdup(end);
	free(w->rest);
	w->rest = rest;
	*last = rest[strspn(rest, "/")] == '\0';
	return name;
}

/* @name in w->dir is a symbolic link whose end does not exist: go on along it. */
static int follow(struct walk *w, const char *target, struct err *err)
{
	char *rest = xasprintf("%s/%s", target, w->rest);

	free(w->rest);
	w->rest = rest;
	if (++w->links > LINKS_MAX)
		return err_set(err, ELOOP, "%s: too many symbolic links", w->path);
	if (target[0] != '/')
		return 0;
	str_free(&w->done);
	close_fd(&w->dir);
	w->dir = openat(w->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return w->dir < 0 ? err_sys(err, errno, "%s", w->path) : 0;
}

static int make_missing(struct walk *w, const char *name, bool dir)
{
	int fd;

	if (dir)
		return mkdirat(w->dir, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	fd = openat(w->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	close(fd);
	return 0;
}

static int step(struct walk *w, const char *name, bool last, struct err *err)
{
	bool dir = !last || w->want_dir;
	int flags = O_PATH | (dir ? O_DIRECTORY : 0);
	auto_free char *path = xasprintf("%s/%s", str_text(&w->done), name);
	int fd = inroot_open(w->root, path, flags);

	if (fd == -ENOENT) {
		char target[PATH_MAX];
		ssize_t n = readlinkat(w->dir, name, target, sizeof(target) - 1);
		int r;

		if (n >= 0) {
			target[n] = '\0';
			return follow(w, target, err);
		}
		r = make_missing(w, name, dir);
		if (r < 0)
			return err_sys(err, r, "%s: cannot make %s", w->path, path);
		fd = inroot_open(w->root, path, flags);
	}
	if (fd < 0)
		return err_sys(err, fd, "%s: %s", w->path, path);
	close_fd(&w->dir);
	w->dir = fd;
	str_free(&w->done);
	str_puts(&w->done, path);
	return 0;
}

int inroot_make(int root, const char *path, bool want_dir, struct err *err)
{
	struct walk w = { .root = root, .want_dir = want_dir, .path = path, .done = STR_INIT };
	bool last;
	char *name;
	int r = 0;

	w.rest = xstrdup(path);
	w.dir = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w.dir < 0)
		r = err_sys(err, errno, "%s", path);
	while (r == 0 && (name = next_component(&w, &last))) {
		if (strcmp(name, ".") || last)
			r = step(&w, name, last, err);
		free(name);
	}
	if (r == 0)
		r = take_fd(&w.dir);
	walk_done(&w);
	return r;
}

int inroot_make_parent(int root, const char *path, char **name, struct err *err)
{
	auto_free char *dir = xstrdup(path), *base = NULL;
	char *end = dir + strlen(dir), *slash;
	int fd;

	while (end > dir && end[-1] == '/')
		*--end = '\0';
	slash = strrchr(dir, '/');
	base = xstrdup(slash ? slash + 1 : dir);
	if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
		return err_set(err, EINVAL, "%s: not the path of a file", path);
	if (slash)
		*slash = '\0';
	fd = inroot_make(root, slash ? dir : "", true, err);
	if (fd >= 0)
		*name = take_ptr(base);
	return fd;
}
