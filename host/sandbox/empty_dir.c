/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/empty_dir.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "host/sandbox/plan.h"

#define KIND  "/kubernetes.io~empty-dir/"
#define PARTS "/volume-subpaths/"

#define MOUNTINFO_MAX (16 << 20)

/* ---- what it is ---------------------------------------------------------------------------- */

static void set_owner(struct empty_dir *dir, const struct stat *st)
{
	dir->uid = st->st_uid;
	dir->gid = st->st_gid;
	dir->mode = st->st_mode & 07777;
}

/* The kubelet mounts a tmpfs there for one in memory, and a hugetlbfs for one of huge pages. */
static enum empty_dir_kind kind_of(const char *path, struct empty_dir *dir)
{
	struct statx stx;
	struct statfs fs;

	if (statx(AT_FDCWD, path, 0, STATX_TYPE, &stx) < 0 || statfs(path, &fs) < 0 ||
	    !(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return EMPTY_DIR_DISK;
	dir->size = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
	dir->page = (uint64_t)fs.f_bsize;
	return fs.f_type == TMPFS_MAGIC	    ? EMPTY_DIR_MEMORY :
	       fs.f_type == HUGETLBFS_MAGIC ? EMPTY_DIR_HUGE :
					      EMPTY_DIR_DISK;
}

/* The volume itself: …/kubernetes.io~empty-dir/NAME. */
static bool is_whole(const char *path, struct empty_dir *dir)
{
	const char *at = strstr(path, KIND), *name = at ? at + strlen(KIND) : "";
	struct stat st;

	if (!*name || strchr(name, '/') || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	dir->kind = kind_of(path, dir);
	dir->name = xstrdup(name);
	dir->below = xstrdup("");
	set_owner(dir, &st);
	return true;
}

/* What the mount @id shows of its file system: the fourth field of its line. */
static char *root_of(const char *mountinfo, uint64_t id)
{
	for (const char *line = mountinfo; line && *line;) {
		const char *end = strchr(line, '\n');
		unsigned long long number;
		int at = 0;

		if (sscanf(line, "%llu %*u %*u:%*u %n", &number, &at) == 1 && at > 0 &&
		    number == id)
			return xstrndup(line + at, strcspn(line + at, " \n"));
		line = end ? end + 1 : NULL;
	}
	return NULL;
}

static char *root_of_mount_at(const char *path)
{
	auto_str struct str mountinfo = STR_INIT;
	struct statx stx;

	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &stx) < 0 || !(stx.stx_mask & STATX_MNT_ID) ||
	    !(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) ||
	    file_read("/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo, NULL) < 0)
		return NULL;
	return root_of(str_text(&mountinfo), stx.stx_mnt_id);
}

/* The part of the volume @whole that the bind mount at @path shows; NULL: none. */
static char *part_of(const struct empty_dir *whole, const char *path)
{
	auto_free char *root = root_of_mount_at(path);
	auto_free char *mark = xasprintf(KIND "%s/", whole->name);
	const char *part = root;

	/* A name with a blank in it is escaped there. */
	if (!root || strchr(root, '\\'))
		return NULL;
	if (whole->kind != EMPTY_DIR_DISK)
		return root[1] ? xstrdup(root + 1) : NULL;
	part = strstr(root, mark);
	return part && part[strlen(mark)] ? xstrdup(part + strlen(mark)) : NULL;
}

/* A subPath: …/POD/volume-subpaths/NAME/CONTAINER/NUMBER, beside …/POD/volumes. */
static void look_for_part(const char *path, struct empty_dir *dir)
{
	const char *at = strstr(path, PARTS), *name = at ? at + strlen(PARTS) : "";
	auto_free char *volume = at ? xasprintf("%.*s/volumes" KIND "%.*s", (int)(at - path), path,
						(int)strcspn(name, "/"), name) :
				      NULL;
	struct empty_dir whole = { .kind = EMPTY_DIR_NONE };
	struct stat of_whole, st;

	if (!volume || !is_whole(volume, &whole))
		return;
	if (stat(volume, &of_whole) == 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	    st.st_dev == of_whole.st_dev) {
		char *part = part_of(&whole, path);

		if (part) {
			*dir = whole;
			free(whole.below);
			dir->below = part;
			return;
		}
	}
	empty_dir_free(&whole);
}

void empty_dir_look(const struct source_place *place, const char *path, struct empty_dir *dir)
{
	*dir = (struct empty_dir){ .kind = EMPTY_DIR_NONE };
	if (!strstr(path, KIND) && !strstr(path, PARTS))
		return;
	if (source_is_here(place, path) && !is_whole(path, dir))
		look_for_part(path, dir);
}

void empty_dir_free(struct empty_dir *dir)
{
	free(dir->name);
	free(dir->below);
	*dir = (struct empty_dir){ .kind = EMPTY_DIR_NONE };
}

/* ---- what the agent is asked for ------------------------------------------------------------ */

static Grpc__Storage *add_storage(struct empty_dirs *dirs, const char *driver, const char *type,
				  const char *place, struct strv *options)
{
	Grpc__Storage *s = xmalloc(sizeof(*s));

	grpc__storage__init(s);
	plan_set(&s->driver, driver);
	plan_set(&s->source, type);
	plan_set(&s->fstype, type);
	plan_set(&s->mount_point, place);
	s->options = take_ptr(options->v);
	s->n_options = options->n;
	s->shared = true; /* as long as the pod */
	dirs->v = xrealloc(dirs->v, (dirs->n + 1) * sizeof(*dirs->v));
	dirs->v[dirs->n++] = s;
	return s;
}

static void add_local(struct empty_dirs *dirs, const char *place, mode_t mode, gid_t gid)
{
	struct strv options = { NULL, 0 };

	if (gid)
		strv_addf(&options, "fsgid=%u", (unsigned)gid);
	strv_addf(&options, "mode=%o", (unsigned)mode);
	add_storage(dirs, "local", "local", place, &options);
}

static void add_owner(const struct empty_dir *dir, struct strv *options)
{
	strv_addf(options, "mode=%o", (unsigned)dir->mode);
	if (dir->uid)
		strv_addf(options, "uid=%u", (unsigned)dir->uid);
	if (dir->gid)
		strv_addf(options, "gid=%u", (unsigned)dir->gid);
}

static void add_memory(struct empty_dirs *dirs, const char *place, const struct empty_dir *dir,
		       uint64_t memory)
{
	struct strv options = { NULL, 0 };

	add_owner(dir, &options);
	if (dir->size < memory)
		strv_addf(&options, "size=%llu", (unsigned long long)dir->size);
	add_storage(dirs, "ephemeral", "tmpfs", place, &options);
}

/* "2MB" and its like, as limits name the size of a page. */
static uint64_t page_of(const char *name)
{
	char *unit;
	uint64_t n = strtoull(name, &unit, 10);

	switch (*unit) {
	case 'K':
		return n << 10;
	case 'M':
		return n << 20;
	case 'G':
		return n << 30;
	}
	return n;
}

/*
 * The kubelet's mount names no size: what the container may use says how many pages the guest
 * has to keep for it. Without a limit it may use none, and there is a place to mount.
 */
static void add_huge(struct empty_dirs *dirs, const char *place, const struct empty_dir *dir,
		     const Grpc__LinuxResources *res)
{
	struct strv options = { NULL, 0 };
	uint64_t size = dir->size;

	for (size_t i = 0; res && i < res->n_hugepagelimits; i++)
		if (page_of(res->hugepagelimits[i]->pagesize) == dir->page &&
		    (!size || res->hugepagelimits[i]->limit < size))
			size = res->hugepagelimits[i]->limit;
	size -= size % dir->page;
	strv_addf(&options, "pagesize=%llu", (unsigned long long)dir->page);
	strv_addf(&options, "size=%llu", (unsigned long long)(size ? size : dir->page));
	add_owner(dir, &options);
	add_storage(dirs, "ephemeral", "hugetlbfs", place, &options);
}

static void take(struct empty_dirs *dirs, const struct empty_dir *dir, uint64_t memory,
		 const Grpc__LinuxResources *res, Grpc__Mount *m)
{
	auto_free char *place =
		xasprintf(PLAN_GUEST_SANDBOX "/%s/%s",
			  dir->kind == EMPTY_DIR_DISK ? "storage" : "ephemeral", dir->name);
	auto_free char *part = path_join(place, dir->below);

	if (dir->kind == EMPTY_DIR_MEMORY)
		add_memory(dirs, place, dir, memory);
	else if (dir->kind == EMPTY_DIR_HUGE)
		add_huge(dirs, place, dir, res);
	else
		add_local(dirs, place, dir->mode, dir->gid);
	/* The kubelet has made that one, with the volume's group and permissions. */
	if (*dir->below)
		add_local(dirs, part, dir->mode, dir->gid);
	plan_set(&m->source, *dir->below ? part : place);
}

void empty_dirs_take(const struct source_place *place, Grpc__Spec *spec, bool disk, uint64_t memory,
		     struct empty_dirs *dirs)
{
	const Grpc__LinuxResources *res = spec->linux ? spec->linux->resources : NULL;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		struct empty_dir dir;

		if (plan_mount(spec->mounts[i]) != PLAN_MOUNT_SHARE)
			continue;
		empty_dir_look(place, spec->mounts[i]->source, &dir);
		if (dir.kind > EMPTY_DIR_DISK || (disk && dir.kind == EMPTY_DIR_DISK))
			take(dirs, &dir, memory, res, spec->mounts[i]);
		empty_dir_free(&dir);
	}
}

void empty_dirs_request(struct empty_dirs *dirs, Grpc__CreateContainerRequest *req)
{
	req->storages =
		xrealloc(req->storages, (req->n_storages + dirs->n) * sizeof(*req->storages) + 1);
	memmove(req->storages + dirs->n, req->storages, req->n_storages * sizeof(*req->storages));
	for (size_t i = 0; i < dirs->n; i++)
		req->storages[i] = dirs->v[i];
	req->n_storages += dirs->n;
	free(take_ptr(dirs->v));
	dirs->n = 0;
}

void empty_dirs_free(struct empty_dirs *dirs)
{
	for (size_t i = 0; i < dirs->n; i++)
		grpc__storage__free_unpacked(dirs->v[i], NULL);
	free(take_ptr(dirs->v));
	dirs->n = 0;
}
