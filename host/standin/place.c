/* SPDX-License-Identifier: Apache-2.0 */
#include "host/standin/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const char elsewhere[] =
	"The files of this container are in its machine, which shares none with this host.\n";

int place_word(int dir)
{
	int fd = openat(dir, ELSEWHERE, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
	bool good = fd >= 0 && write(fd, elsewhere, sizeof(elsewhere) - 1) > 0;

	if (fd >= 0)
		close(fd);
	return good ? 0 : -1;
}

static bool is_cover(const struct options *o, int i)
{
	return !*o->binds[2 * i];
}

/* A peer of the host's mount would carry what is mounted below it to the host. */
static int open_bind(const char *source)
{
	struct mount_attr private = { .propagation = MS_PRIVATE };
	int tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (tree < 0 ||
	    mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &private, sizeof(private)) == 0)
		return tree;
	close(tree);
	return -1;
}

static int open_cover(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), tree = -1;

	if (fs < 0)
		return -1;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0555", 0) == 0 &&
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "64k", 0) == 0 &&
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		tree = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	close(fs);
	if (tree >= 0)
		(void)place_word(tree);
	return tree;
}

int *place_open(const struct options *o)
{
	int *trees = calloc((size_t)o->n_binds + 1, sizeof(*trees));

	for (int i = 0; trees && i < o->n_binds; i++)
		trees[i] = is_cover(o, i) ? open_cover() : open_bind(o->binds[2 * i]);
	return trees;
}

/* Whether mount @i is below a cover. */
static bool is_covered(const struct options *o, int i)
{
	const char *target = o->binds[2 * i + 1];

	for (int k = 0; k < i; k++) {
		size_t len = strlen(o->binds[2 * k + 1]);

		if (is_cover(o, k) && !strncmp(target, o->binds[2 * k + 1], len) &&
		    target[len] == '/')
			return true;
	}
	return false;
}

/* Where @tree is to be mounted: in the image as the machine makes it, or in a cover. */
static void make_target(const char *target, int tree, bool cover)
{
	char path[PATH_MAX];
	struct stat st;

	if (*target != '/' || strlen(target) >= sizeof(path) || fstat(tree, &st) < 0)
		return;
	memcpy(path, target, strlen(target) + 1);
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)mkdir(path, 0755);
		*p = '/';
	}
	/* The machine's own file system there takes over the mode, and may be written by all. */
	if (S_ISDIR(st.st_mode) && mkdir(path, 0755) == 0 && cover)
		(void)chmod(path, 01777);
	else if (!S_ISDIR(st.st_mode))
		(void)mknod(path, S_IFREG | 0644, 0);
}

void place_mounts(const struct options *o, int *trees)
{
	struct mount_attr sealed = { .attr_set = MOUNT_ATTR_RDONLY };

	for (int i = 0; trees && i < o->n_binds; i++) {
		const char *target = o->binds[2 * i + 1];

		/* What is covered needs no second cover. */
		if (trees[i] < 0 || (is_cover(o, i) && is_covered(o, i)))
			continue;
		if (is_cover(o, i) || is_covered(o, i))
			make_target(target, trees[i], is_cover(o, i));
		/* What there is no place for is not seen. */
		(void)move_mount(trees[i], "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
	}
	for (int i = 0; trees && i < o->n_binds; i++) {
		if (trees[i] < 0)
			continue;
		if (is_cover(o, i))
			(void)mount_setattr(trees[i], "", AT_EMPTY_PATH, &sealed, sizeof(sealed));
		close(trees[i]);
	}
	free(trees);
}
