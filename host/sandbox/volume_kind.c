/* SPDX-License-Identifier: Apache-2.0 */
/* What can be copied, and what cannot. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/sandbox/empty_dir.h"
#include "host/sandbox/plan.h"
#include "host/sandbox/volume.h"
#include "host/storage/image/tree.h"

bool volume_is_ours(const Grpc__Mount *m)
{
	enum plan_mount kind = plan_mount(m);
	struct stat st;

	if (kind == PLAN_MOUNT_SHARE_IF_FILE)
		return stat(m->source, &st) == 0 && S_ISREG(st.st_mode);
	return kind == PLAN_MOUNT_SHARE;
}

/* The kubelet's directories of volumes: …/volumes/kubernetes.io~KIND/NAME. */
static bool is_of(const char *path, const char *kind)
{
	auto_free char *part = xasprintf("/kubernetes.io~%s/", kind);
	const char *at = strstr(path, part);

	return at && at[strlen(part)] && !strchr(at + strlen(part), '/');
}

static bool is_watched(const char *path)
{
	return is_of(path, "secret") || is_of(path, "configmap") || is_of(path, "downward-api") ||
	       is_of(path, "projected");
}

static const char *type_of(mode_t mode)
{
	return S_ISSOCK(mode) ? "socket" : S_ISFIFO(mode) ? "pipe" : "device";
}

static int count(const Grpc__Mount *m, const struct node *node, uint64_t *bytes, struct err *err)
{
	if (!S_ISREG(node->mode) && !S_ISDIR(node->mode) && !S_ISLNK(node->mode))
		return err_set(err, EOPNOTSUPP,
			       "mount %s: %s holds the %s %s, which does not reach a machine that "
			       "shares no files",
			       m->destination, m->source, type_of(node->mode), node->name);
	*bytes += S_ISREG(node->mode) ? (uint64_t)node->size : 0;
	for (size_t i = 0; i < node->n_kids; i++)
		if (count(m, node->kids[i], bytes, err) < 0)
			return err->code;
	return 0;
}

static int too_large(const Grpc__Mount *m, struct err *err)
{
	return err_set(err, E2BIG,
		       "mount %s: %s is too large to be copied into a machine that shares no files "
		       "(%d MiB, %d files)",
		       m->destination, m->source, VOLUME_BYTES_MAX >> 20, VOLUME_FILES_MAX);
}

static int check_tree(const Grpc__Mount *m, int fd, struct err *err)
{
	struct tree *tree = tree_read(fd, VOLUME_FILES_MAX, err);
	uint64_t bytes = 0;
	int r;

	if (!tree)
		return err->code == -E2BIG ?
			       too_large(m, err) :
			       err_wrap(err, "mount %s: %s", m->destination, m->source);
	r = count(m, tree->root, &bytes, err);
	tree_free(tree);
	return r == 0 && bytes > VOLUME_BYTES_MAX ? too_large(m, err) : r;
}

int volume_kind(const struct source_place *place, const Grpc__Mount *m, enum volume_kind *kind,
		struct err *err)
{
	auto_close int fd = source_open(place, m->source);
	struct empty_dir dir;
	struct stat st;

	*kind = VOLUME_COPY;
	if (fd < 0)
		return err_sys(err, fd, "mount %s: %s", m->destination, m->source);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "mount %s: %s", m->destination, m->source);
	if (S_ISREG(st.st_mode))
		return st.st_size > VOLUME_BYTES_MAX ? too_large(m, err) : 0;
	if (!S_ISDIR(st.st_mode))
		return err_set(
			err, EOPNOTSUPP,
			"mount %s: %s is a %s, which does not reach a machine that shares no "
			"files",
			m->destination, m->source, type_of(st.st_mode));
	empty_dir_look(place, m->source, &dir);
	if (dir.kind != EMPTY_DIR_NONE) {
		*kind = VOLUME_LOCAL;
		empty_dir_free(&dir);
		return 0;
	}
	if (is_watched(m->source))
		*kind = VOLUME_WATCH;
	else if (!plan_mount_read_only(m))
		return err_set(err, EOPNOTSUPP,
			       "mount %s: what is written to the directory %s would not reach the "
			       "host, for this machine shares no files (shared_fs): mount it "
			       "read-only, or use another hypervisor",
			       m->destination, m->source);
	return check_tree(m, fd, err);
}

int volumes_check(const struct source_place *place, const Grpc__Spec *spec, struct err *err)
{
	enum volume_kind kind;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		struct stat st;

		if (!volume_is_ours(spec->mounts[i]))
			continue;
		/* That becomes a disk. */
		if (stat(spec->mounts[i]->source, &st) == 0 && S_ISBLK(st.st_mode))
			continue;
		if (volume_kind(place, spec->mounts[i], &kind, err) < 0)
			return err->code;
	}
	return 0;
}
