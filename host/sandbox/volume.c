/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/volume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/sandbox/core.h"
#include "host/sandbox/volume_copy.h"

/* A change is seldom alone: so long it is waited for the others, in milliseconds. */
#define SETTLE_MS 100

/* One that is copied. */
struct volume {
	struct list link; /* volumes->list */
	struct volumes *all;
	struct volume_files *files;
	int watch; /* inotify; -1: it is not watched */
	bool copying, changed;
	struct loop_source *readable, *settle;
};

struct volumes {
	struct sandbox *sb;
	char *id; /* of the container */
	struct list list;
};

/* The first copies. */
struct copying {
	struct sandbox *sb;
	char *id;
	size_t next; /* of the volumes */
	sandbox_done done;
	void *arg;
};

static struct volumes *find(struct sandbox *sb, const char *id)
{
	struct container *c = container_find(sb, id);

	return c ? c->volumes : NULL;
}

static struct volume *nth(struct volumes *v, size_t n)
{
	struct list *it;

	list_for_each(it, &v->list) {
		if (n-- == 0)
			return container_of(it, struct volume, link);
	}
	return NULL;
}

/* ---- again -------------------------------------------------------------------------------- */

static void on_settled(void *arg);

struct again {
	struct sandbox *sb;
	char *id;
	size_t n;
};

static void on_copied_again(const struct err *err, void *arg)
{
	struct again *a = arg;
	struct volumes *all = find(a->sb, a->id);
	struct volume *v = all ? nth(all, a->n) : NULL;

	if (err)
		log_warn("container %s: a volume that changed: %s", a->id, err_msg(err));
	if (v) {
		v->copying = false;
		if (v->changed && !v->settle)
			v->settle = loop_add_timer(a->sb->loop, SETTLE_MS, on_settled, v);
	}
	free(a->id);
	free(a);
}

static size_t index_of(const struct volume *v)
{
	struct list *it;
	size_t n = 0;

	list_for_each(it, &v->all->list) {
		if (it == &v->link)
			break;
		n++;
	}
	return n;
}

static void on_settled(void *arg)
{
	struct volume *v = arg;
	struct again *a;

	v->settle = NULL;
	if (v->copying)
		return;
	a = xmalloc(sizeof(*a));
	*a = (struct again){ .sb = v->all->sb, .id = xstrdup(v->all->id), .n = index_of(v) };
	v->copying = true;
	v->changed = false;
	volume_files_copy(v->all->sb, v->files, on_copied_again, a);
}

static void on_changed(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct volume *v = arg;
	char buf[4096];

	(void)src;
	(void)events;
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	v->changed = true;
	if (!v->settle && !v->copying)
		v->settle = loop_add_timer(v->all->sb->loop, SETTLE_MS, on_settled, v);
}

/* Begun before the first copy, so that nothing is missed. */
static void watch(struct volume *v)
{
	auto_free char *path = xasprintf("/proc/self/fd/%d", volume_files_fd(v->files));

	v->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (v->watch < 0 || inotify_add_watch(v->watch, path,
					      IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
						      IN_CLOSE_WRITE | IN_ATTRIB) < 0) {
		log_warn("container %s: a volume is not kept fresh: %s", v->all->id,
			 strerror(errno));
		return;
	}
	v->readable = loop_add_fd(v->all->sb->loop, v->watch, EPOLLIN, on_changed, v);
}

/* ---- the first time ----------------------------------------------------------------------- */

static void end(struct copying *c, const struct err *err)
{
	call_done(c->sb, err, c->done, c->arg);
	free(c->id);
	free(c);
}

static void on_copied(const struct err *err, void *arg)
{
	struct copying *c = arg;
	struct volumes *all = find(c->sb, c->id);
	struct volume *v = all && c->next > 0 ? nth(all, c->next - 1) : NULL;
	struct err gone = ERR_INIT;

	if (v)
		v->copying = false;
	if (!err && !all)
		err_set(&gone, ECANCELED, "container %s is being removed", c->id);
	if (err || !all) {
		end(c, err ? err : &gone);
		return;
	}
	v = nth(all, c->next++);
	if (!v) {
		end(c, NULL);
		return;
	}
	v->copying = true;
	volume_files_copy(c->sb, v->files, on_copied, c);
}

static int add(struct volumes *all, const struct source_place *place, unsigned n, Grpc__Mount *m,
	       struct err *err)
{
	auto_close int fd = -1;
	enum volume_kind kind;
	struct volume *v;

	if (volume_kind(place, m, &kind, err) < 0)
		return err->code;
	fd = source_open(place, m->source);
	if (fd < 0)
		return err_sys(err, fd, "mount %s: %s", m->destination, m->source);
	v = xcalloc(1, sizeof(*v));
	v->all = all;
	v->watch = -1;
	list_add_tail(&all->list, &v->link);
	{
		auto_free char *guest = xasprintf(SHARE_GUEST_DIR "%s/%u-volume", all->id, n);

		v->files = volume_files_new(take_fd(&fd), guest, m->destination);
		plan_set(&m->source, guest);
	}
	if (kind == VOLUME_WATCH)
		watch(v);
	return 0;
}

void volumes_copy(struct sandbox *sb, struct container *c, const struct source_place *place,
		  Grpc__Spec *spec, sandbox_done done, void *arg)
{
	struct volumes *all = xcalloc(1, sizeof(*all));
	struct err err = ERR_INIT;
	struct copying *copying;

	all->sb = sb;
	all->id = xstrdup(c->id);
	list_init(&all->list);
	c->volumes = all;
	for (size_t i = 0; err.code == 0 && i < spec->n_mounts; i++)
		if (volume_is_ours(spec->mounts[i]))
			(void)add(all, place, (unsigned)i, spec->mounts[i], &err);
	if (err.code) {
		call_done(sb, &err, done, arg);
		return;
	}
	copying = xcalloc(1, sizeof(*copying));
	*copying = (struct copying){ .sb = sb, .id = xstrdup(c->id), .done = done, .arg = arg };
	on_copied(NULL, copying);
}

void volumes_free(struct volumes *all)
{
	if (!all)
		return;
	while (!list_empty(&all->list)) {
		struct volume *v = container_of(all->list.next, struct volume, link);

		list_del(&v->link);
		loop_remove(&v->readable);
		loop_remove(&v->settle);
		close_fd(&v->watch);
		volume_files_free(v->files);
		free(v);
	}
	free(all->id);
	free(all);
}
