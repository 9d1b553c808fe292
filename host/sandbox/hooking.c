/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/core.h"

/* Hooks of one kind of a container, while they run. */
struct hooking {
	struct list link;
	struct sandbox *sb;
	struct container *c; /* for comparison only: it may have gone */
	enum hook_kind kind;
	struct hooks *hooks;
	int ns[HOOK_NS_MAX]; /* opened for it */
	size_t n_ns;
	sandbox_done done;
	void *arg;
};

static void end(struct hooking *h, const struct err *err)
{
	struct sandbox *sb = h->sb;
	sandbox_done done = h->done;
	void *arg = h->arg;

	list_del(&h->link);
	for (size_t i = 0; i < h->n_ns; i++)
		close(h->ns[i]);
	free(h);
	done(err, arg);
	end_look(sb);
}

static void on_over(const struct err *err, void *arg)
{
	end(arg, err);
}

static int open_ns(struct hooking *h, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "hooks.createContainer: namespace %s", path);
	h->ns[h->n_ns++] = fd;
	return 0;
}

/* The namespaces of what stands for the container, on this side of the machine. */
static int enter_container(struct hooking *h, const struct container *c, struct err *err)
{
	static const char *const names[] = { "net", "ipc", "uts" };
	int r = 0;

	if (c->pid == 0)
		return c->netns ? open_ns(h, c->netns, err) : 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
		auto_free char *path = xasprintf("/proc/%d/ns/%s", (int)c->pid, names[i]);

		r = open_ns(h, path, err);
	}
	return r;
}

static int find_place(struct hooking *h, const struct container *c, struct hook_place *place,
		      struct err *err)
{
	int r = 0;

	*place = h->sb->runtime;
	if (h->kind == HOOK_CREATE_CONTAINER) {
		*place = (struct hook_place){ .root = -1 };
		r = enter_container(h, c, err);
		memcpy(place->ns, h->ns, sizeof(h->ns));
		place->n_ns = h->n_ns;
	}
	place->cwd = c->bundle;
	return r;
}

static const char *status_at(enum hook_kind kind)
{
	if (kind == HOOK_POSTSTOP)
		return "stopped";
	return kind == HOOK_POSTSTART ? "running" : "creating";
}

static pid_t pid_at(const struct container *c, enum hook_kind kind)
{
	if (kind == HOOK_POSTSTOP)
		return 0;
	return c->pid ? c->pid : sandbox_pid(c->sb);
}

void hooking_run(struct container *c, enum hook_kind kind, sandbox_done done, void *arg)
{
	const struct state_container *sc = state_find_container(c->sb->st, c->id);
	struct hook_state state = { .id = c->id,
				    .status = status_at(kind),
				    .bundle = c->bundle,
				    .pid = pid_at(c, kind),
				    .annotations = sc ? &sc->annotations : NULL };
	bool due = hooks_any(c->hooks, kind) && (kind != HOOK_POSTSTOP || c->poststop_due);
	struct err err = ERR_INIT;
	struct hook_place place;
	struct hooking *h;

	c->poststop_due = kind != HOOK_POSTSTOP;
	if (!due) {
		done(NULL, arg);
		return;
	}
	h = xcalloc(1, sizeof(*h));
	h->sb = c->sb;
	h->c = c;
	h->kind = kind;
	h->done = done;
	h->arg = arg;
	list_add_tail(&c->sb->hookings, &h->link);
	if (find_place(h, c, &place, &err) < 0)
		end(h, &err);
	else
		h->hooks = hooks_run(c->sb->loop, kind, c->hooks, &state, &place, on_over, h);
}

void hooking_cancel(struct sandbox *sb, struct container *c, const struct err *why)
{
	struct list *it;

	list_for_each(it, &sb->hookings) {
		struct hooking *h = container_of(it, struct hooking, link);

		if ((!c || h->c == c) && h->kind != HOOK_POSTSTOP)
			hooks_cancel(h->hooks, why);
	}
}

void hooking_cancel_all(struct sandbox *sb, const struct err *why)
{
	struct list *it;

	list_for_each(it, &sb->hookings)
		hooks_cancel(container_of(it, struct hooking, link)->hooks, why);
}

void hooking_flush(struct sandbox *sb)
{
	struct err err = ERR_INIT;

	err_set(&err, ECANCELED, "the sandbox has ended");
	while (!list_empty(&sb->hookings)) {
		struct hooking *h = container_of(sb->hookings.next, struct hooking, link);

		hooks_free(take_ptr(h->hooks));
		end(h, &err);
	}
}

/* ---- poststart, for the sandbox's user ------------------------------------------ */

struct poststart {
	struct sandbox *sb;
	char *id;
	struct err err;
	sandbox_done done;
	void *arg;
};

static void end_poststart(struct poststart *p)
{
	call_done(p->sb, p->err.code ? &p->err : NULL, p->done, p->arg);
	free(p->id);
	free(p);
}

static void on_killed(const struct err *err, void *arg)
{
	struct poststart *p = arg;

	/* It may have ended by itself meanwhile. */
	if (err)
		log_info("container %s: %s", p->id, err_msg(err));
	end_poststart(p);
}

static void on_poststarted(const struct err *err, void *arg)
{
	struct poststart *p = arg;

	if (!err) {
		end_poststart(p);
		return;
	}
	p->err = *err;
	sandbox_signal(p->sb, p->id, NULL, SIGKILL, true, on_killed, p);
}

void sandbox_poststart(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	struct container *c = container_find(sb, id);
	struct err err = ERR_INIT;
	struct poststart *p;

	if (!c || c->busy)
		err_set(&err, ENOENT, "container %s does not exist", id);
	else if (sb->phase != PHASE_RUNNING)
		err = sb->why;
	if (err.code) {
		call_done(sb, &err, done, arg);
		return;
	}
	p = xcalloc(1, sizeof(*p));
	*p = (struct poststart){ .sb = sb, .id = xstrdup(id), .done = done, .arg = arg };
	hooking_run(c, HOOK_POSTSTART, on_poststarted, p);
}
