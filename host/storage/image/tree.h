/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of files as it is right now: names and what stat(2) knows of each. The key of an
 * image is made of it, and the image. Names come from container images: nothing about them
 * is trusted.
 */
#ifndef HOST_STORAGE_IMAGE_TREE_H
#define HOST_STORAGE_IMAGE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/err.h"
#include "host/storage/image/sha256.h"

#define TREE_DEPTH_MAX 512
#define TREE_NODES_MAX 8000000

/*
 * What an upper layer has at its top is not of the tree: it is for others (image.h). Two names
 * of one file, of which an archive has the second as a link to the first.
 */
#define TREE_MARK	".what-this-container-changed-is-not-in-this-layer"
#define TREE_MARK_FIRST ".wh..wh.kata-c"

/* Whether @name, at the top of a layer, is one of these. */
bool tree_is_mark(const char *name);

struct node {
	char *name; /* of the root: "" */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	ino_t ino;
	dev_t dev, rdev;
	nlink_t nlink;
	off_t size;
	blkcnt_t blocks; /* of 512 bytes */
	struct timespec mtime, ctime;
	struct node **kids; /* of a directory: sorted by the bytes of their names */
	size_t n_kids;

	/* erofs.c */
	struct node *same; /* another name of this inode, written in its place */
	uint8_t *xattrs;   /* as they are in the image */
	size_t xattr_size;
	char *target;	/* of a symbolic link */
	uint32_t links; /* names in the image */
	uint64_t at;	/* of the inode, in bytes */
	uint32_t block; /* of the content, unless it is */
	bool is_inline; /* behind the inode */
};

struct tree {
	struct node *root;
	size_t n, max;		/* nodes */
	struct timespec newest; /* the latest change of any */
};

/*
 * Read the tree of at most @max nodes below the directory @fd, which the caller keeps; mount points in it are gone
 * into as into any directory. -E2BIG beyond the limits. NULL and @err on failure.
 */
struct tree *tree_read(int fd, size_t max, struct err *err);
void tree_free(struct tree *tree); /* NULL is allowed */

/*
 * Add all that tells whether a file of the tree is another now: path, type, mode, owner,
 * inode, size, mtime, ctime. A change of content or of an attribute changes ctime, which
 * nobody can set back.
 */
void tree_hash(const struct tree *tree, struct sha256 *hash);

#endif
