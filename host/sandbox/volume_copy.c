/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/volume_copy.h"

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
#include "base/file.h"
#include "host/sandbox/core.h"
#include "host/sandbox/volume.h"
#include "host/storage/image/tree.h"

#define DATA_LINK "..data"
#define DIR_MODE  0755

/* One thing to be in the guest. */
struct item {
	char *path; /* below the volume; "" for itself */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	ino_t ino;
	off_t size;
	struct timespec ctime;
	bool gone; /* it is to be empty */
};

struct items {
	struct item *v;
	size_t n;
};

struct volume_files {
	unsigned refs;
	int fd;
	char *guest, *name;
	struct items copied;
};

/* A copy under way. */
struct copy {
	struct sandbox *sb;
	struct volume_files *files;
	struct items all, due; /* all that is there now; `due` borrows of it and of what was */
	size_t next;
	off_t offset;
	int fd; /* of the file at hand; -1: none */
	sandbox_done done;
	void *arg;
};

/* ---- what there is ------------------------------------------------------------------------ */

static struct item *add(struct items *items)
{
	if (items->n % 64 == 0)
		items->v = xrealloc(items->v, (items->n + 64) * sizeof(*items->v));
	return &items->v[items->n++];
}

static void items_free(struct items *items)
{
	for (size_t i = 0; i < items->n; i++)
		free(items->v[i].path);
	free(items->v);
	*items = (struct items){ .v = NULL };
}

static void add_node(struct items *items, const char *path, const struct node *node)
{
	*add(items) = (struct item){
		.path = xstrdup(path),
		.mode = node->mode,
		.uid = node->uid,
		.gid = node->gid,
		.ino = node->ino,
		.size = node->size,
		.ctime = node->ctime,
	};
}

/* A directory comes after what is in it: CopyFile gives it away with each file. */
static void list(struct items *items, const char *path, const struct node *node)
{
	for (size_t i = 0; i < node->n_kids; i++) {
		auto_free char *kid =
			*path ? path_join(path, node->kids[i]->name) : xstrdup(node->kids[i]->name);

		list(items, kid, node->kids[i]);
	}
	if (strcmp(path, DATA_LINK) != 0)
		add_node(items, path, node);
}

static int look(const struct volume_files *files, struct items *items, struct err *err)
{
	struct tree *tree;
	struct stat st;

	if (fstat(files->fd, &st) < 0)
		return err_sys(err, errno, "stat");
	if (!S_ISDIR(st.st_mode)) {
		*add(items) = (struct item){
			.path = xstrdup(""),
			.mode = st.st_mode,
			.uid = st.st_uid,
			.gid = st.st_gid,
			.ino = st.st_ino,
			.size = st.st_size,
			.ctime = st.st_ctim,
		};
		return 0;
	}
	tree = tree_read(files->fd, VOLUME_FILES_MAX, err);
	if (!tree)
		return err->code;
	list(items, "", tree->root);
	for (size_t i = 0; i < tree->root->n_kids; i++)
		if (!strcmp(tree->root->kids[i]->name, DATA_LINK))
			add_node(items, DATA_LINK, tree->root->kids[i]);
	tree_free(tree);
	return 0;
}

static const struct item *find(const struct items *items, const char *path)
{
	for (size_t i = 0; i < items->n; i++)
		if (!strcmp(items->v[i].path, path))
			return &items->v[i];
	return NULL;
}

static bool is_same(const struct item *a, const struct item *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->ino == b->ino &&
	       a->size == b->size && a->ctime.tv_sec == b->ctime.tv_sec &&
	       a->ctime.tv_nsec == b->ctime.tv_nsec;
}

/* What is to be sent; the paths are those of @now and @was. */
static void compare(const struct items *was, const struct items *now, struct items *due)
{
	for (size_t i = 0; i < now->n; i++) {
		const struct item *old = find(was, now->v[i].path);

		if (!old || !is_same(old, &now->v[i]))
			*add(due) = now->v[i];
	}
	for (size_t i = 0; i < was->n; i++)
		if (S_ISREG(was->v[i].mode) && !find(now, was->v[i].path)) {
			struct item *item = add(due);

			*item = was->v[i];
			item->gone = true;
			item->size = 0;
		}
}

/* ---- sending ------------------------------------------------------------------------------ */

static void files_unref(struct volume_files *files)
{
	if (--files->refs > 0)
		return;
	close_fd(&files->fd);
	items_free(&files->copied);
	free(files->guest);
	free(files->name);
	free(files);
}

static void end(struct copy *c, const struct err *err)
{
	struct err why = ERR_INIT;

	if (err) {
		why = *err;
		err_wrap(&why, "mount %s", c->files->name);
	} else {
		items_free(&c->files->copied);
		c->files->copied = c->all;
		c->all = (struct items){ .v = NULL };
	}
	free(c->due.v);
	items_free(&c->all);
	close_fd(&c->fd);
	call_done(c->sb, err ? &why : NULL, c->done, c->arg);
	files_unref(c->files);
	free(c);
}

/* No link leads out of the volume, whoever can write to it. */
static int open_item(const struct volume_files *files, const struct item *item)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	auto_free char *self = xasprintf("/proc/self/fd/%d", files->fd);

	if (!*item->path)
		return open(self, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return (int)syscall(SYS_openat2, files->fd, item->path, &how, sizeof(how));
}

/* The next bytes of the file at hand; its size is what it was when it was looked at. */
static int read_part(struct copy *c, const struct item *item, uint8_t *data, size_t *len,
		     struct err *err)
{
	size_t want = (size_t)(item->size - c->offset);

	*len = 0;
	want = want < VOLUME_PART ? want : VOLUME_PART;
	if (c->fd < 0 && want > 0)
		c->fd = open_item(c->files, item);
	if (c->fd < 0 && want > 0)
		return err_sys(err, errno, "%s", item->path);
	while (*len < want) {
		ssize_t n = pread(c->fd, data + *len, want - *len, c->offset + (off_t)*len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_sys(err, errno, "%s", item->path) :
				       err_set(err, ESTALE, "%s changed while it was copied",
					       item->path);
		*len += (size_t)n;
	}
	return 0;
}

/* Through the directory that it is in, which is opened as above. */
static int read_link(const struct volume_files *files, const struct item *item, uint8_t *data,
		     size_t *len, struct err *err)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	const char *slash = strrchr(item->path, '/');
	auto_free char *above = slash ? xstrndup(item->path, (size_t)(slash - item->path)) : NULL;
	auto_close int dir =
		above ? (int)syscall(SYS_openat2, files->fd, above, &how, sizeof(how)) : -1;
	ssize_t n = -1;

	if (!above || dir >= 0)
		n = readlinkat(above ? dir : files->fd, slash ? slash + 1 : item->path,
			       (char *)data, PATH_MAX);
	if (n <= 0)
		return err_sys(err, n < 0 ? errno : EINVAL, "%s", item->path);
	*len = (size_t)n;
	return 0;
}

static void send(struct copy *c);

static void on_sent(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct copy *c = arg;
	const struct item *item = &c->due.v[c->next];

	if (!rsp) {
		end(c, err);
		return;
	}
	c->offset += VOLUME_PART;
	if (!S_ISREG(item->mode) || c->offset >= item->size) {
		close_fd(&c->fd);
		c->offset = 0;
		c->next++;
	}
	send(c);
}

static void send(struct copy *c)
{
	Grpc__CopyFileRequest req = GRPC__COPY_FILE_REQUEST__INIT;
	const struct item *item = &c->due.v[c->next];
	auto_free uint8_t *data = NULL;
	auto_free char *path = NULL;
	struct err err = ERR_INIT;
	size_t len = 0;

	if (c->next == c->due.n) {
		end(c, NULL);
		return;
	}
	path = *item->path ? path_join(c->files->guest, item->path) : xstrdup(c->files->guest);
	data = xmalloc(VOLUME_PART);
	if (S_ISREG(item->mode) && !item->gone)
		(void)read_part(c, item, data, &len, &err);
	else if (S_ISLNK(item->mode))
		(void)read_link(c->files, item, data, &len, &err);
	if (err.code) {
		end(c, &err);
		return;
	}
	req.path = path;
	req.file_size = S_ISREG(item->mode) ? item->size : (int64_t)len;
	req.file_mode = item->mode;
	req.dir_mode = DIR_MODE;
	req.uid = (int32_t)item->uid;
	req.gid = (int32_t)item->gid;
	req.offset = S_ISREG(item->mode) ? c->offset : 0;
	req.data.data = data;
	req.data.len = len;
	call_agent(c->sb, "CopyFile", &req.base, AGENT_CALL_MS, on_sent, c);
}

/* ------------------------------------------------------------------------------------------- */

struct volume_files *volume_files_new(int fd, const char *guest, const char *name)
{
	struct volume_files *files = xcalloc(1, sizeof(*files));

	files->refs = 1;
	files->fd = fd;
	files->guest = xstrdup(guest);
	files->name = xstrdup(name);
	return files;
}

void volume_files_free(struct volume_files *files)
{
	if (files)
		files_unref(files);
}

int volume_files_fd(const struct volume_files *files)
{
	return files->fd;
}

void volume_files_copy(struct sandbox *sb, struct volume_files *files, sandbox_done done, void *arg)
{
	struct copy *c = xcalloc(1, sizeof(*c));
	struct err err = ERR_INIT;

	*c = (struct copy){ .sb = sb, .files = files, .fd = -1, .done = done, .arg = arg };
	files->refs++;
	if (look(files, &c->all, &err) < 0) {
		end(c, &err);
		return;
	}
	compare(&files->copied, &c->all, &c->due);
	send(c);
}
