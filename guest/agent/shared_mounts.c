/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/shared_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "guest/agent/inroot.h"
#include "guest/agent/job.h"
#include "guest/agent/mounts.h"

#define LOOK_MS	   100
#define WAIT_MS	   10000
#define MOUNTS_MAX (4u << 20)

struct wanted {
	const Grpc__SharedMount *mount;
	unsigned long source; /* that container's serial; 0: left out */
	pid_t pid;	      /* its first process, once the mount is there */
};

struct bind {
	struct container *container;
	void (*done)(struct container *c, const struct err *err);
	int64_t deadline;
	size_t n;
	struct wanted wanted[];
};

char *shared_mounts_name(const Grpc__Spec *spec)
{
	static const char *const keys[] = {
		"io.kubernetes.cri.container-name",
		"io.kubernetes.cri-o.ContainerName",
	};

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		for (size_t i = 0; i < spec->n_annotations; i++)
			if (!strcmp(spec->annotations[i]->key, keys[k]))
				return xstrdup(spec->annotations[i]->value);
	return NULL;
}

static struct container *find_named(const struct container *other, const char *name)
{
	struct list *it;

	list_for_each(it, &other->agent->containers) {
		struct container *c = container_of(it, struct container, link);

		if (c != other && c->name && !strcmp(c->name, name))
			return c;
	}
	return NULL;
}

static struct container *find_serial(const struct container *other, unsigned long serial)
{
	struct list *it;

	list_for_each(it, &other->agent->containers) {
		struct container *c = container_of(it, struct container, link);

		if (c->serial == serial)
			return c->init && process_alive(c->init) ? c : NULL;
	}
	return NULL;
}

/* @path as proc_pid_mountinfo(5) writes it. */
static char *escape(const char *path)
{
	auto_str struct str out = STR_INIT;
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	for (size_t i = 0; i < n; i++) {
		if (strchr(" \t\n\\", path[i]))
			str_printf(&out, "\\%03o", (unsigned char)path[i]);
		else
			str_printf(&out, "%c", path[i]);
	}
	return xstrdup(str_text(&out));
}

static bool is_mounted(pid_t pid, const char *path)
{
	auto_free char *file = xasprintf("/proc/%d/mountinfo", (int)pid), *point = escape(path);
	auto_str struct str text = STR_INIT;
	char *save = NULL;

	if (file_read(file, MOUNTS_MAX, &text, NULL) < 0 || !text.len)
		return false;
	for (char *l = strtok_r(text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *inner = NULL, *field = strtok_r(l, " ", &inner);

		for (int i = 1; field && i < 5; i++)
			field = strtok_r(NULL, " ", &inner);
		if (field && !strcmp(field, point))
			return true;
	}
	return false;
}

static int enter(int ns, const char *whose, struct err *err)
{
	return setns(ns, CLONE_NEWNS) < 0 ? err_sys(err, errno, "enter the mounts of %s", whose) :
					    0;
}

static int open_ns(pid_t pid, struct err *err)
{
	auto_free char *path = xasprintf("/proc/%d/ns/mnt", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, errno, "%s", path) : fd;
}

/* Each path is resolved among its container's own mounts, below its own root. */
static int bind_one(const struct wanted *w, pid_t to, struct err *err)
{
	const Grpc__SharedMount *m = w->mount;
	auto_close int source = open_ns(w->pid, err), target = -1, tree = -1, root = -1, place = -1;
	struct stat st;

	target = source < 0 ? -1 : open_ns(to, err);
	if (target < 0 || enter(source, m->src_ctr, err) < 0)
		return err->code;
	tree = mount_copy(AT_FDCWD, m->src_path, true, err);
	if (tree < 0 || enter(target, "the container", err) < 0)
		return err->code;
	if (fstat(tree, &st) < 0)
		return err_sys(err, errno, "%s", m->src_path);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, errno, "/");
	place = inroot_make(root, m->dst_path, S_ISDIR(st.st_mode), err);
	if (place < 0)
		return place;
	return mount_attach(tree, place, m->dst_path, err);
}

/* In the job, which has come from the guest's own mounts and whose they are not for long. */
static int bind_all(void *arg, struct err *err)
{
	const struct bind *b = arg;
	auto_close int own = open_ns(getpid(), err);
	int r = own < 0 ? own : 0;

	for (size_t i = 0; r == 0 && i < b->n; i++) {
		if (!b->wanted[i].pid)
			continue;
		r = bind_one(&b->wanted[i], b->container->init->pid, err);
		if (r < 0)
			return err_wrap(err, "shared mount %s", b->wanted[i].mount->name);
		r = enter(own, "the guest", err);
	}
	return r;
}

static void on_bound(const struct err *err, void *arg)
{
	struct bind *b = arg;

	b->done(b->container, err);
	free(b);
}

/* True: it need not be awaited any more. */
static bool look_at(const struct bind *b, struct wanted *w)
{
	const struct container *source = w->source ? find_serial(b->container, w->source) : NULL;

	w->pid =
		source && is_mounted(source->init->pid, w->mount->src_path) ? source->init->pid : 0;
	return w->pid || !source;
}

static void look(void *arg)
{
	struct bind *b = arg;
	bool all = true, any = false;

	for (size_t i = 0; i < b->n; i++) {
		all = look_at(b, &b->wanted[i]) && all;
		any = any || b->wanted[i].pid;
	}
	if (!all && loop_now_ms() < b->deadline) {
		loop_add_timer(b->container->agent->loop, LOOK_MS, look, b);
		return;
	}
	for (size_t i = 0; i < b->n; i++)
		if (!b->wanted[i].pid)
			log_warn("container %s: shared mount %s: %s has nothing mounted at %s, "
				 "ignoring",
				 b->container->id, b->wanted[i].mount->name,
				 b->wanted[i].mount->src_ctr, b->wanted[i].mount->src_path);
	/* It may have been killed meanwhile: then its start says so. */
	if (any && process_alive(b->container->init))
		job_run(b->container->agent->loop, bind_all, on_bound, b);
	else
		on_bound(NULL, b);
}

void shared_mounts_bind(struct container *c, const Grpc__CreateContainerRequest *req,
			void (*done)(struct container *c, const struct err *err))
{
	struct bind *b = xcalloc(1, sizeof(*b) + req->n_shared_mounts * sizeof(b->wanted[0]));
	struct err err = ERR_INIT;

	b->container = c;
	b->done = done;
	b->deadline = loop_now_ms() + WAIT_MS;
	for (size_t i = 0; i < req->n_shared_mounts; i++) {
		const Grpc__SharedMount *m = req->shared_mounts[i];
		const struct container *source = find_named(c, m->src_ctr);

		if (m->src_path[0] != '/' || m->dst_path[0] != '/') {
			err_set(&err, EINVAL,
				"shared mount %s: \"%s\" at \"%s\": no absolute paths", m->name,
				m->src_path, m->dst_path);
			on_bound(&err, b);
			return;
		}
		b->wanted[b->n++] = (struct wanted){ m, source ? source->serial : 0, 0 };
	}
	look(b);
}
