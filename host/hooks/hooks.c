/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hooks/hooks.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/version.h"

struct hooks {
	struct loop *loop;
	enum hook_kind kind;
	Grpc__Hook *const *list;
	size_t n, next;
	char *text, *cwd;
	struct hook_place place;
	struct hook *hook;	  /* the one that runs */
	struct loop_source *step; /* what comes next */
	struct err err;
	hooks_done done;
	void *arg;
};

static void find(const Grpc__Hooks *all, enum hook_kind kind, Grpc__Hook *const **list, size_t *n)
{
	*list = NULL;
	*n = 0;
	if (!all)
		return;
	switch (kind) {
	case HOOK_PRESTART:
		*list = all->prestart, *n = all->n_prestart;
		break;
	case HOOK_CREATE_RUNTIME:
		*list = all->createruntime, *n = all->n_createruntime;
		break;
	case HOOK_CREATE_CONTAINER:
		*list = all->createcontainer, *n = all->n_createcontainer;
		break;
	case HOOK_POSTSTART:
		*list = all->poststart, *n = all->n_poststart;
		break;
	case HOOK_POSTSTOP:
		*list = all->poststop, *n = all->n_poststop;
		break;
	}
}

static const char *name_of(enum hook_kind kind)
{
	static const char *const names[] = {
		[HOOK_PRESTART] = "prestart",
		[HOOK_CREATE_RUNTIME] = "createRuntime",
		[HOOK_CREATE_CONTAINER] = "createContainer",
		[HOOK_POSTSTART] = "poststart",
		[HOOK_POSTSTOP] = "poststop",
	};

	return names[kind];
}

bool hooks_any(const Grpc__Hooks *all, enum hook_kind kind)
{
	Grpc__Hook *const *list;
	size_t n;

	find(all, kind, &list, &n);
	return n > 0;
}

int64_t hooks_limit_ms(const Grpc__Hooks *all, enum hook_kind kind)
{
	Grpc__Hook *const *list;
	int64_t sum = 0, one;
	size_t n;

	find(all, kind, &list, &n);
	for (size_t i = 0; i < n; i++) {
		one = hook_limit_ms(list[i]) + HOOK_KILL_MS;
		sum = one < INT64_MAX / 2 - sum ? sum + one : INT64_MAX / 2;
	}
	return sum;
}

static void add(struct json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, json_object_new_string(value));
}

char *hook_state_json(const struct hook_state *st)
{
	struct json_object *o = json_object_new_object(), *notes;
	char *text;

	add(o, "ociVersion", OCI_SPEC_VERSION);
	add(o, "id", st->id);
	add(o, "status", st->status);
	if (st->pid > 0)
		json_object_object_add(o, "pid", json_object_new_int(st->pid));
	add(o, "bundle", st->bundle);
	if (st->annotations && st->annotations->n > 1) {
		notes = json_object_new_object();
		for (size_t i = 0; i + 1 < st->annotations->n; i += 2)
			add(notes, st->annotations->v[i], st->annotations->v[i + 1]);
		json_object_object_add(o, "annotations", notes);
	}
	text = xstrdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return text;
}

void hooks_free(struct hooks *h)
{
	if (!h)
		return;
	loop_remove(&h->step);
	hook_free(h->hook);
	free(h->text);
	free(h->cwd);
	free(h);
}

static void finish(void *arg)
{
	struct hooks *h = arg;
	struct err err = h->err;
	hooks_done done = h->done;
	void *done_arg = h->arg;

	h->step = NULL;
	hooks_free(h);
	done(err.code ? &err : NULL, done_arg);
}

static void run_next(void *arg);

static void on_done(const struct err *err, void *arg)
{
	struct hooks *h = arg;

	hook_free(take_ptr(h->hook));
	if (err && h->kind == HOOK_POSTSTOP) {
		log_warn("%s", err_msg(err));
		err = NULL;
	}
	if (err) {
		h->err = *err;
		finish(h);
	} else {
		run_next(h);
	}
}

static void run_next(void *arg)
{
	struct hooks *h = arg;
	struct err err = ERR_INIT;

	h->step = NULL;
	while (h->next < h->n && !h->hook) {
		size_t i = h->next++;
		auto_free char *name = xasprintf("hooks.%s[%zu]", name_of(h->kind), i);

		h->hook =
			hook_start(h->loop, name, h->list[i], &h->place, h->text, on_done, h, &err);
		if (h->hook)
			return;
		if (h->kind != HOOK_POSTSTOP) {
			h->err = err;
			break;
		}
		log_warn("%s", err_msg(&err));
	}
	finish(h);
}

struct hooks *hooks_run(struct loop *loop, enum hook_kind kind, const Grpc__Hooks *all,
			const struct hook_state *state, const struct hook_place *place,
			hooks_done done, void *arg)
{
	struct hooks *h = xcalloc(1, sizeof(*h));

	h->loop = loop;
	h->kind = kind;
	find(all, kind, &h->list, &h->n);
	h->text = hook_state_json(state);
	h->cwd = xstrdup(place->cwd);
	h->place = *place;
	h->place.cwd = h->cwd;
	h->done = done;
	h->arg = arg;
	h->step = loop_defer(loop, run_next, h);
	return h;
}

void hooks_cancel(struct hooks *h, const struct err *why)
{
	loop_remove(&h->step);
	hook_free(take_ptr(h->hook));
	h->n = 0;
	h->err = *why;
	h->step = loop_defer(h->loop, finish, h);
}
