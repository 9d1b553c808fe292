/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "host/storage/image/cache.h"
#include "host/storage/image/erofs.h"
#include "host/storage/image/layers.h"
#include "host/storage/image/writable.h"

#define MOUNTINFO_MAX (64 << 20)
#define TRIES	      5

/*
 * Times of files go in steps; two changes within one step look like one. A file system that
 * counts in whole seconds has long ones.
 */
#define STEP_NS	  20000000L
#define SECOND_NS 1000000000L

/* So often the changes are waited for to be past, a step each. */
#define SETTLE_TRIES 300

struct work {
	const struct image_ask *ask;
	int cache; /* its directory, which may not be seen where the layers are */
};

/* One image: the layers that it is made of, together. */
struct part {
	const struct strv *lower; /* the topmost first */
	const char *upper;	  /* the topmost of all; NULL: none */
	bool merge;    /* several, or one with a meaning for an overlay: mounted together */
	bool is_upper; /* it is the upper layer, to be mounted as one in the guest */
	const struct strv *with;
	const struct stat *root; /* the root's owner and mode in the place of its own */
};

void image_root_release(struct image_root *root)
{
	for (unsigned i = 0; i < root->n; i++)
		close_fd(&root->disks[i].fd);
	root->n = 0;
	root->writable = false;
}

static int open_dir(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, errno, "%s", path) : fd;
}

/* ---- the key ------------------------------------------------------------------------- */

/* Whether something changed so short ago that a change after this one could not be seen. */
static bool is_fresh(const struct timespec *newest)
{
	long long step = newest->tv_nsec ? STEP_NS : 2 * SECOND_NS, age;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	age = (long long)(now.tv_sec - newest->tv_sec) * SECOND_NS + now.tv_nsec - newest->tv_nsec;
	return age >= 0 && age < step;
}

static int hash_layer(const char *path, struct sha256 *hash, bool *fresh, struct err *err)
{
	auto_close int fd = open_dir(path, err);
	struct tree *tree = fd < 0 ? NULL : tree_read(fd, TREE_NODES_MAX, err);

	if (!tree)
		return fd < 0 ? fd : err_wrap(err, "%s", path);
	tree_hash(tree, hash);
	*fresh = *fresh || is_fresh(&tree->newest);
	tree_free(tree);
	return 0;
}

static void hash_text(struct sha256 *hash, const char *text)
{
	sha256_add(hash, text, strlen(text) + 1);
}

static int hash_part(const struct part *p, struct sha256 *hash, bool *fresh, struct err *err)
{
	int r = 0;

	hash_text(hash, "kata-c image 1"); /* of images that are made in this way */
	hash_text(hash, p->merge ? "merged" : p->is_upper ? "upper" : "directory");
	for (size_t i = 0; p->with && i < p->with->n; i++)
		hash_text(hash, p->with->v[i]);
	if (p->root) {
		uint32_t v[] = { p->root->st_mode, p->root->st_uid, p->root->st_gid };

		sha256_add(hash, v, sizeof(v));
	}
	if (p->upper)
		r = hash_layer(p->upper, hash, fresh, err);
	for (size_t i = 0; r == 0 && p->lower && i < p->lower->n; i++)
		r = hash_layer(p->lower->v[i], hash, fresh, err);
	return r;
}

/* Of the layers as they are now, and settled: any change from now on makes another key. */
static int find_key(const struct part *p, char key[SHA256_HEX], struct err *err)
{
	const struct timespec step = { .tv_nsec = STEP_NS };

	for (int i = 0; i < SETTLE_TRIES; i++) {
		struct sha256 hash;
		bool fresh = false;
		int r;

		sha256_begin(&hash);
		r = hash_part(p, &hash, &fresh, err);
		if (r < 0)
			return r;
		sha256_end(&hash, key);
		if (!fresh)
			return 0;
		nanosleep(&step, NULL);
	}
	return err_set(err, ESTALE, "its files do not cease to change");
}

/* ---- making --------------------------------------------------------------------------- */

/*
 * The layers as one read-only directory, in this process's mount namespace. Their paths may
 * be too many for mount(2), so they are given short ones.
 */
static int merge(const struct part *p, struct err *err)
{
	static const char place[] = "/proc"; /* no layer is in there */
	auto_str struct str data = STR_INIT;
	size_t n = 0;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, errno, "a mount namespace");
	/* In a chroot "/" may be no mount point; then what is mounted on is private at least. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		(void)mount(NULL, place, NULL, MS_PRIVATE, NULL);
	if (mount("kata-c", place, "tmpfs", 0, "mode=0700") < 0)
		return err_sys(err, errno, "a place for the layers");
	if (chdir(place) < 0 || mkdir("m", 0700) < 0)
		return err_sys(err, errno, "a place for the layers");
	str_puts(&data, "lowerdir=");
	for (size_t i = 0; i < p->lower->n + (p->upper ? 1 : 0); i++) {
		const char *layer = p->upper ? (i ? p->lower->v[i - 1] : p->upper) : p->lower->v[i];
		auto_free char *name = xasprintf("%zu", n++);

		if (symlink(layer, name) < 0)
			return err_sys(err, errno, "a place for the layers");
		str_printf(&data, "%s%s", i ? ":" : "", name);
	}
	for (size_t i = 0; i < p->with->n; i++)
		str_printf(&data, ",%s", p->with->v[i]);
	if (mount("kata-c", "m", "overlay", MS_RDONLY, str_text(&data)) < 0)
		return err_sys(err, errno, "the %zu layers, mounted together", n);
	return open_dir("m", err);
}

static void unmerge(void)
{
	/* The descriptor keeps both until it is closed. */
	(void)chdir("/");
	(void)umount2("/proc/m", MNT_DETACH);
	(void)umount2("/proc", MNT_DETACH);
}

static int hex(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static int write_part(const struct part *p, const char *key, int out, struct err *err)
{
	auto_close int dir = p->merge	 ? merge(p, err) :
			     p->is_upper ? open_dir(p->upper, err) :
					   open_dir(p->lower->v[0], err);
	struct erofs_spec spec = {
		.overlay = p->is_upper ? EROFS_OVERLAY_KEEP : EROFS_OVERLAY_DROP,
		.root = p->root,
	};
	struct tree *tree;
	int r;

	if (p->merge)
		unmerge();
	if (dir < 0)
		return dir;
	for (size_t i = 0; i < sizeof(spec.uuid); i++)
		spec.uuid[i] = (uint8_t)(hex(key[2 * i]) << 4 | hex(key[2 * i + 1]));
	tree = tree_read(dir, TREE_NODES_MAX, err);
	r = tree ? erofs_write(tree, dir, &spec, out, err) : err->code;
	tree_free(tree);
	return r;
}

/* A disk that is full of images is made room on, once. */
static int write_image(const struct work *w, const struct part *p, const char *key, int out,
		       struct err *err)
{
	int r = write_part(p, key, out, err);

	if (r == -ENOSPC || r == -EDQUOT) {
		cache_bound(w->cache, 0);
		if (ftruncate(out, 0) < 0)
			return err_sys(err, errno, "%s", w->ask->cache);
		r = write_part(p, key, out, err);
	}
	return r;
}

/* What was there before and after it was read is what is in the image. */
static int make_image(const struct work *w, const struct part *p, const char *key, struct err *err)
{
	int made = -1, part = cache_begin(w->cache, key, &made, err), r;
	char after[SHA256_HEX];

	if (part < 0 || made >= 0)
		return part < 0 ? part : made;
	r = write_image(w, p, key, part, err);
	if (r == 0)
		r = find_key(p, after, err);
	if (r == 0 && strcmp(key, after) != 0)
		r = err_set(err, ESTALE, "its files change while they are read");
	if (r < 0) {
		cache_abandon(w->cache, key, part);
		return r;
	}
	return cache_commit(w->cache, key, part, err);
}

static int set_disk(struct image_root *root, const char *path, int fd, struct err *err)
{
	struct image_disk *disk = &root->disks[root->n];

	if (strlen(path) >= sizeof(disk->path)) {
		close(fd);
		return err_set(err, ENAMETOOLONG, "%s", path);
	}
	snprintf(disk->path, sizeof(disk->path), "%s", path);
	disk->fd = fd;
	root->n++;
	return 0;
}

/* The image of @p as a disk of @root. */
static int add_image(const struct work *w, const struct part *p, struct image_root *root,
		     struct err *err)
{
	char key[SHA256_HEX];
	auto_free char *path = NULL, *name = NULL;
	int r = 0, fd = -1;

	for (int i = 0; i < TRIES && fd < 0; i++) {
		struct err why = ERR_INIT;

		r = find_key(p, key, err);
		if (r < 0)
			return r;
		fd = cache_open(w->cache, key, &why);
		if (fd == -ENOENT)
			fd = make_image(w, p, key, &why);
		if (fd < 0 && fd != -ESTALE && fd != -EAGAIN) {
			*err = why;
			return fd;
		}
		if (fd < 0)
			*err = why;
	}
	if (fd < 0)
		return fd;
	err_clear(err);
	name = cache_name(key);
	path = path_join(w->ask->cache, name);
	return set_disk(root, path, fd, err);
}

/* ---- the parts of a root --------------------------------------------------------------- */

/* Layers with these cannot be told from those below them. */
static bool leans_on_lower(const struct layers *l)
{
	for (size_t i = 0; i < l->with.n; i++)
		if (strcmp(l->with.v[i], "userxattr") != 0)
			return true;
	return false;
}

static int look_in(const char *path, bool *empty, struct err *err)
{
	auto_closedir DIR *d = opendir(path);
	struct dirent *e;

	*empty = true;
	if (!d)
		return err_sys(err, errno, "%s", path);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    !tree_is_mark(e->d_name))
			*empty = false;
	return 0;
}

/*
 * Whoever takes the layer for the container's changes must fail and not get the image again
 * without a word. What archives such a layer passes over what it cannot read, so it has to
 * be what unpacks the archive that fails: the first name is a whiteout there, which is not
 * made, and the second one a link to it. Both are plain files to who looks, and to rm.
 */
static int mark(const struct work *w, const char *upper, struct err *err)
{
	static const char disk[] =
		"What this container changed lies in its machine's disk, the file " WRITABLE_NAME
		" beside this directory, and not here.\n";
	static const char memory[] =
		"What this container changed was in its machine's memory, and is not here.\n";
	auto_free char *first = path_join(upper, TREE_MARK_FIRST);
	auto_free char *second = path_join(upper, TREE_MARK);
	const char *text = w->ask->memory ? memory : disk;
	struct stat st;

	if (lstat(second, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 2 &&
	    access(first, F_OK) == 0)
		return 0;
	if (unlink(second) < 0 && errno != ENOENT)
		return err_sys(err, errno, "%s", second);
	if (file_replace(first, text, strlen(text), 0444, err) < 0)
		return err->code;
	return link(first, second) < 0 ? err_sys(err, errno, "%s", second) : 0;
}

static int add_overlay(const struct work *w, const struct layers *l, struct image_root *root,
		       struct err *err)
{
	struct part upper = { .upper = l->upper, .is_upper = true, .with = &l->with };
	struct part lower = { .lower = &l->lower, .merge = l->lower.n > 1, .with = &l->with };
	bool empty = true;
	struct stat st;

	if (l->upper && (mark(w, l->upper, err) < 0 || look_in(l->upper, &empty, err) < 0))
		return err->code;
	if (l->upper && stat(l->upper, &st) < 0)
		return err_sys(err, errno, "%s", l->upper);
	if (!empty && leans_on_lower(l)) {
		lower.upper = l->upper;
		lower.merge = true;
	} else if (l->upper) {
		/* Its root is seen; one image serves all whose roots look the same. */
		lower.root = &st;
		if (!empty && add_image(w, &upper, root, err) < 0)
			return err->code;
	}
	return add_image(w, &lower, root, err);
}

static int add_writable(const struct work *w, const struct layers *l, struct image_root *root,
			struct err *err)
{
	auto_free char *path = l->beside ? path_join(l->beside, WRITABLE_NAME) :
					   writable_place(w->ask->writables, l->lower.v[0], err);
	int fd = path ? writable_open(path, w->ask->size, err) : err->code;

	if (fd < 0)
		return err_wrap(err, "what the container writes");
	root->writable = true;
	return set_disk(root, path, fd, err);
}

/* ---- where it is looked for ----------------------------------------------------------- */

static int enter(const struct source_place *place, struct err *err)
{
	/* Where that cannot be entered, most of it is seen from here as well. */
	if (place->ns >= 0 && setns(place->ns, CLONE_NEWNS) < 0)
		log_debug("images: cannot enter the mount namespace: %s", strerror(errno));
	else if (place->ns >= 0 && place->root >= 0 && (fchdir(place->root) < 0 || chroot(".") < 0))
		return err_sys(err, errno, "cannot enter the root directory of the runtime");
	return 0;
}

static int make_all(const struct work *w, const struct layers *l, struct image_root *root,
		    struct err *err)
{
	int r = l->overlay ? add_overlay(w, l, root, err) :
			     add_image(w, &(struct part){ .lower = &l->lower }, root, err);

	if (r == 0 && !w->ask->memory)
		r = add_writable(w, l, root, err);
	/* What is used here is locked by now. */
	cache_bound(w->cache, w->ask->cache_max);
	return r;
}

int image_make(const struct image_ask *ask, struct image_root *root, struct err *err)
{
	auto_close int cache = cache_dir(ask->cache, err);
	const struct work w = { .ask = ask, .cache = cache };
	auto_str struct str mountinfo = STR_INIT;
	struct layers l = { .upper = NULL };
	int r = cache < 0 ? cache : enter(&ask->place, err);

	*root = (struct image_root){ .n = 0 };
	/* Without it the root is a directory like others. */
	if (r == 0)
		(void)file_read("/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo, NULL);
	if (r == 0)
		r = layers_find(str_text(&mountinfo), ask->rootfs, &l, err);
	root->mounts = l.mounted_in;
	if (r == 0)
		r = make_all(&w, &l, root, err);
	layers_free(&l);
	if (r == 0)
		return 0;
	image_root_release(root);
	return err_wrap(err, "root file system %s", ask->rootfs);
}
