/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In this order: attributes and targets are read, places given (inodes first, the root in
 * front, then the contents, by blocks), inodes written, contents copied.
 */
#include "host/storage/image/erofs.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/storage/image/erofs_copy.h"
#include "host/storage/image/erofs_dir.h"
#include "host/storage/image/erofs_format.h"
#include "host/storage/image/erofs_xattr.h"

/* A file up to this size stands behind its inode if there is room in the block. */
#define INLINE_FILE 2048

struct writer {
	const struct erofs_spec *spec;
	int out;
	void *inodes; /* tsearch() tree of struct node: files with several names */
	uint64_t end; /* of the inodes, in bytes */
	uint64_t blocks;
	uint32_t n;
	uint8_t *meta;
};

/* ---- reading ------------------------------------------------------------------------- */

static int by_inode(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* Whether @node is another name of a file that was met before. */
static bool is_known(struct writer *w, struct node *node)
{
	struct node **first;

	if (S_ISDIR(node->mode) || node->nlink < 2)
		return false;
	first = tsearch(node, &w->inodes, by_inode);
	if (!first)
		abort();
	if (*first == node)
		return false;
	node->same = *first;
	node->same->links++;
	return true;
}

static int read_target(struct node *node, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlink(node->name, target, sizeof(target));

	if (n < 0)
		return err_sys(err, errno, "%s", node->name);
	if (n == 0 || n >= PATH_MAX)
		return err_set(err, ESTALE, "%s: has no target", node->name);
	node->target = xstrndup(target, (size_t)n);
	node->size = n;
	return 0;
}

static int read_more(struct writer *w, struct node *dir, int fd, struct err *err);

static int read_node(struct writer *w, struct node *node, int dir, struct err *err)
{
	auto_close int fd = -1;
	int r;

	if (is_known(w, node))
		return 0;
	node->links = S_ISDIR(node->mode) ? 2 : 1;
	r = erofs_xattrs(node, node->name, w->spec->overlay, err);
	if (r == 0 && S_ISLNK(node->mode))
		r = read_target(node, err);
	if (r < 0 || !S_ISDIR(node->mode))
		return r;
	fd = openat(dir, node->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "%s", node->name);
	r = read_more(w, node, fd, err);
	return r < 0 ? err_wrap(err, "%s", node->name) : 0;
}

/* Attributes of what is in the directory @fd, which this goes into. */
static int read_more(struct writer *w, struct node *dir, int fd, struct err *err)
{
	for (size_t i = 0; i < dir->n_kids; i++) {
		/* The way down to the one before it led elsewhere. */
		bool go = i == 0 || S_ISDIR(dir->kids[i - 1]->mode);
		int r;

		if (go && fchdir(fd) < 0)
			return err_sys(err, errno, "open");
		r = read_node(w, dir->kids[i], fd, err);
		if (r < 0)
			return r;
		dir->links += S_ISDIR(dir->kids[i]->mode) ? 1 : 0;
	}
	return 0;
}

static int read_all(struct writer *w, struct tree *tree, int fd, struct err *err)
{
	int r = fchdir(fd) < 0 ? err_sys(err, errno, "open") : 0;

	tree->root->links = 2;
	if (w->spec->root) {
		tree->root->mode = w->spec->root->st_mode;
		tree->root->uid = w->spec->root->st_uid;
		tree->root->gid = w->spec->root->st_gid;
	}
	if (r == 0)
		r = erofs_xattrs(tree->root, ".", w->spec->overlay, err);
	return r < 0 ? r : read_more(w, tree->root, fd, err);
}

/* ---- places -------------------------------------------------------------------------- */

static uint64_t content_blocks(const struct node *node)
{
	return ((uint64_t)node->size + EROFS_BLOCK - 1) >> EROFS_BLOCK_BITS;
}

static void place_inode(struct writer *w, struct node *node)
{
	uint64_t size = sizeof(struct erofs_inode) + node->xattr_size, left;

	node->is_inline = node->size > 0 && size + (uint64_t)node->size <= EROFS_BLOCK &&
			  (!S_ISREG(node->mode) || node->size <= INLINE_FILE);
	w->end = (w->end + EROFS_SLOT - 1) / EROFS_SLOT * EROFS_SLOT;
	left = EROFS_BLOCK - w->end % EROFS_BLOCK;
	/* Neither an inode nor what stands behind it goes across blocks. */
	if (left < sizeof(struct erofs_inode) ||
	    (node->is_inline && left < size + (uint64_t)node->size))
		w->end += left;
	node->at = w->end;
	w->end += size + (node->is_inline ? (uint64_t)node->size : 0);
	w->n++;
}

static void place_inodes(struct writer *w, struct node *node)
{
	if (node->same)
		return;
	if (S_ISDIR(node->mode))
		node->size = (off_t)erofs_dir_size(node);
	place_inode(w, node);
	for (size_t i = 0; i < node->n_kids; i++)
		place_inodes(w, node->kids[i]);
}

static int place_contents(struct writer *w, struct node *node, struct err *err)
{
	if (node->same)
		return 0;
	if (node->size > 0 && !node->is_inline) {
		uint64_t n = content_blocks(node);

		/* The last number has a meaning of its own. */
		if (n >= UINT32_MAX - w->blocks)
			return err_set(err, E2BIG, "%s: an image holds less than 16 TiB",
				       node->name);
		node->block = (uint32_t)w->blocks;
		w->blocks += n;
	}
	for (size_t i = 0; i < node->n_kids; i++)
		if (place_contents(w, node->kids[i], err) < 0)
			return err->code;
	return 0;
}

/* ---- inodes -------------------------------------------------------------------------- */

/* As the kernel encodes it for disks: 12 bits and 20. */
static uint32_t device(dev_t dev)
{
	return (minor(dev) & 0xff) | (major(dev) & 0xfff) << 8 | (minor(dev) & ~0xffU) << 12;
}

static void put_inode(const struct writer *w, const struct node *node, uint32_t ino)
{
	bool plain = !node->is_inline;
	struct erofs_inode inode = {
		.format = htole16(plain ? EROFS_PLAIN : EROFS_INLINE),
		.mode = htole16((uint16_t)node->mode),
		.size = htole64((uint64_t)node->size),
		.place = htole32(S_ISCHR(node->mode) || S_ISBLK(node->mode) ? device(node->rdev) :
									      node->block),
		.ino = htole32(ino),
		.uid = htole32(node->uid),
		.gid = htole32(node->gid),
		.mtime = htole64((uint64_t)node->mtime.tv_sec),
		.mtime_nsec = htole32((uint32_t)node->mtime.tv_nsec),
		.links = htole32(node->links),
	};

	if (node->xattr_size)
		inode.xattr_count =
			htole16((uint16_t)((node->xattr_size - EROFS_XATTR_IBODY) / 4 + 1));
	memcpy(w->meta + node->at, &inode, sizeof(inode));
	if (node->xattr_size)
		memcpy(w->meta + node->at + sizeof(inode), node->xattrs, node->xattr_size);
}

/* Inodes, what stands behind them, and directories. */
static int put(struct writer *w, struct node *node, const struct node *parent, uint32_t *ino,
	       struct err *err)
{
	uint8_t *behind;

	if (node->same)
		return 0;
	put_inode(w, node, ++*ino);
	behind = w->meta + node->at + sizeof(struct erofs_inode) + node->xattr_size;
	if (node->target && node->is_inline)
		memcpy(behind, node->target, (size_t)node->size);
	else if (node->target &&
		 erofs_put(w->out, node->target, (size_t)node->size, node->block, err) < 0)
		return err->code;
	if (S_ISDIR(node->mode)) {
		auto_free uint8_t *content = xcalloc(1, (size_t)node->size);

		erofs_dir_fill(node, parent, content);
		if (node->is_inline)
			memcpy(behind, content, (size_t)node->size);
		else if (erofs_put(w->out, content, (size_t)node->size, node->block, err) < 0)
			return err->code;
	}
	for (size_t i = 0; i < node->n_kids; i++)
		if (put(w, node->kids[i], node, ino, err) < 0)
			return err->code;
	return 0;
}

static void put_super(const struct writer *w, const struct tree *tree)
{
	struct erofs_super super = {
		.magic = htole32(EROFS_MAGIC),
		.block_bits = EROFS_BLOCK_BITS,
		.root = htole16((uint16_t)(tree->root->at / EROFS_SLOT)),
		.inodes = htole64(w->n),
		.blocks = htole32((uint32_t)w->blocks),
	};

	memcpy(super.uuid, w->spec->uuid, sizeof(super.uuid));
	memcpy(w->meta + EROFS_SUPER_AT, &super, sizeof(super));
}

/* ---- contents ------------------------------------------------------------------------ */

static int copy_all(struct writer *w, const struct node *dir, int fd, struct err *err);

static int copy_node(struct writer *w, const struct node *node, int dir, struct err *err)
{
	auto_close int fd = -1;
	int r = 0;

	if (node->same || !((S_ISREG(node->mode) && node->size > 0) || S_ISDIR(node->mode)))
		return 0;
	fd = openat(dir, node->name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC |
			    (S_ISDIR(node->mode) ? O_DIRECTORY : 0));
	if (fd < 0)
		return err_sys(err, errno, "%s", node->name);
	if (S_ISDIR(node->mode))
		r = copy_all(w, node, fd, err);
	else if (node->is_inline)
		r = erofs_copy_inline(
			node, fd,
			w->meta + node->at + sizeof(struct erofs_inode) + node->xattr_size, err);
	else
		r = erofs_copy(node, fd, w->out, err);
	return r < 0 ? err_wrap(err, "%s", node->name) : 0;
}

static int copy_all(struct writer *w, const struct node *dir, int fd, struct err *err)
{
	for (size_t i = 0; i < dir->n_kids; i++)
		if (copy_node(w, dir->kids[i], fd, err) < 0)
			return err->code;
	return 0;
}

/* ---------------------------------------------------------------------------------------- */

static void forget(void *node)
{
	(void)node; /* the tree has it */
}

static int write_all(struct writer *w, struct tree *tree, int dir, struct err *err)
{
	uint32_t ino = 0;
	int r = read_all(w, tree, dir, err);

	if (r < 0)
		return r;
	w->end = EROFS_SUPER_AT + sizeof(struct erofs_super);
	place_inodes(w, tree->root);
	w->blocks = (w->end + EROFS_BLOCK - 1) >> EROFS_BLOCK_BITS;
	r = place_contents(w, tree->root, err);
	if (r < 0)
		return r;
	w->meta = xcalloc(1, w->end);
	put_super(w, tree);
	if (ftruncate(w->out, (off_t)(w->blocks << EROFS_BLOCK_BITS)) < 0)
		return err_sys(err, errno, "make it as large as the files");
	r = put(w, tree->root, tree->root, &ino, err);
	if (r == 0)
		r = copy_all(w, tree->root, dir, err);
	return r < 0 ? r : erofs_put(w->out, w->meta, w->end, 0, err);
}

int erofs_write(struct tree *tree, int dir, const struct erofs_spec *spec, int out, struct err *err)
{
	struct writer w = { .spec = spec, .out = out };
	struct err why = ERR_INIT;
	int r = write_all(&w, tree, dir, &why);

	tdestroy(w.inodes, forget);
	free(w.meta);
	if (r < 0 && err)
		*err = why;
	return r;
}
