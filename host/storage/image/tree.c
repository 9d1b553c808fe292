/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/image/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

bool tree_is_mark(const char *name)
{
	return !strcmp(name, TREE_MARK) || !strcmp(name, TREE_MARK_FIRST);
}

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static void node_free(struct node *node)
{
	for (size_t i = 0; i < node->n_kids; i++)
		node_free(node->kids[i]);
	free(node->kids);
	free(node->xattrs);
	free(node->target);
	free(node->name);
	free(node);
}

void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	if (tree->root)
		node_free(tree->root);
	free(tree);
}

static struct node *node_new(struct tree *tree, const char *name, const struct stat *st)
{
	struct node *node = xcalloc(1, sizeof(*node));

	node->name = xstrdup(name);
	node->mode = st->st_mode;
	node->uid = st->st_uid;
	node->gid = st->st_gid;
	node->ino = st->st_ino;
	node->dev = st->st_dev;
	node->rdev = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode) ? st->st_rdev : 0;
	node->nlink = st->st_nlink;
	node->size = S_ISREG(st->st_mode) || S_ISLNK(st->st_mode) ? st->st_size : 0;
	node->blocks = st->st_blocks;
	node->mtime = st->st_mtim;
	node->ctime = st->st_ctim;
	if (later(&node->ctime, &tree->newest))
		tree->newest = node->ctime;
	tree->n++;
	return node;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct node *const *)a)->name, (*(struct node *const *)b)->name);
}

static int read_dir(struct tree *tree, struct node *dir, int fd, unsigned depth, struct err *err);

static int read_below(struct tree *tree, struct node *dir, int fd, unsigned depth, struct err *err)
{
	for (size_t i = 0; i < dir->n_kids; i++) {
		struct node *kid = dir->kids[i];
		int sub;

		if (!S_ISDIR(kid->mode))
			continue;
		sub = openat(fd, kid->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			err_sys(err, errno, "open");
		else
			(void)read_dir(tree, kid, sub, depth + 1, err);
		if (err->code)
			return err_wrap(err, "%s", kid->name);
	}
	return 0;
}

/* Takes @fd over. */
static int read_dir(struct tree *tree, struct node *dir, int fd, unsigned depth, struct err *err)
{
	auto_closedir DIR *d = fdopendir(fd);
	size_t room = 0;
	struct dirent *e;

	if (!d) {
		close(fd);
		return err_sys(err, errno, "read");
	}
	if (depth > TREE_DEPTH_MAX)
		return err_set(err, E2BIG, "directories nested deeper than %d", TREE_DEPTH_MAX);
	for (errno = 0; (e = readdir(d)); errno = 0) {
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    (depth == 0 && tree_is_mark(e->d_name)))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
			return err_sys(err, errno, "%s", e->d_name);
		if (tree->n >= tree->max)
			return err_set(err, E2BIG, "more than %zu files", tree->max);
		if (dir->n_kids == room) {
			room = room ? 2 * room : 16;
			dir->kids = xrealloc(dir->kids, room * sizeof(struct node *));
		}
		dir->kids[dir->n_kids++] = node_new(tree, e->d_name, &st);
	}
	if (errno)
		return err_sys(err, errno, "read");
	if (dir->n_kids)
		qsort(dir->kids, dir->n_kids, sizeof(struct node *), by_name);
	return read_below(tree, dir, fd, depth, err);
}

struct tree *tree_read(int fd, size_t max, struct err *err)
{
	struct tree *tree = xcalloc(1, sizeof(*tree));
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err why = ERR_INIT;
	struct stat st;

	tree->max = max;
	if (copy < 0 || fstat(copy, &st) < 0) {
		err_sys(&why, errno, "cannot read the directory");
		close_fd(&copy);
	} else {
		tree->root = node_new(tree, "", &st);
		(void)read_dir(tree, tree->root, copy, 0, &why);
	}
	if (why.code == 0)
		return tree;
	if (err)
		*err = why;
	tree_free(tree);
	return NULL;
}

static void hash_node(const struct node *node, struct sha256 *hash)
{
	uint64_t v[] = {
		node->mode,
		node->uid,
		node->gid,
		node->ino,
		node->rdev,
		node->nlink,
		(uint64_t)node->size,
		(uint64_t)node->mtime.tv_sec,
		(uint64_t)node->mtime.tv_nsec,
		(uint64_t)node->ctime.tv_sec,
		(uint64_t)node->ctime.tv_nsec,
		node->n_kids,
	};

	/* The numbers of children make of the sequence one tree and no other. */
	sha256_add(hash, node->name, strlen(node->name) + 1);
	sha256_add(hash, v, sizeof(v));
	for (size_t i = 0; i < node->n_kids; i++)
		hash_node(node->kids[i], hash);
}

void tree_hash(const struct tree *tree, struct sha256 *hash)
{
	hash_node(tree->root, hash);
}
