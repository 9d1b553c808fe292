/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/view.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/version.h"
#include "host/cli/cli.h"
#include "host/cli/task_client.h"

#define ANSWER_LIMIT_MS 2000

static char *owner_of(const struct sandbox_state *st)
{
	auto_free char *dir = path_join(st->root, st->id);
	struct passwd *pw;
	struct stat sb;

	if (stat(dir, &sb) < 0)
		return xstrdup("");
	pw = getpwuid(sb.st_uid);
	return pw ? xstrdup(pw->pw_name) : xasprintf("%u", sb.st_uid);
}

/* The shim's word for the status; NULL when it has none. */
static const char *ask(struct loop *loop, const struct sandbox_state *st, const char *id,
		       pid_t *pid)
{
	const char *status = NULL;
	struct err err = ERR_INIT;
	auto_task struct task *t = task_connect(loop, st->address, id, &err);

	/* Alive and not listening: it starts, or ends. What is on disk holds. */
	if (!t)
		return NULL;
	if (task_state(t, &status, pid, ANSWER_LIMIT_MS, &err) == -ETIMEDOUT)
		cli_warn("container %s: the sandbox process does not answer", id);
	return status;
}

void view_look(struct view *v, struct loop *loop, struct sandbox_state *st, const char *id)
{
	const struct state_container *c = state_find_container(st, id);
	const char *recorded = c && c->status ? c->status : "creating", *said;

	*v = (struct view){ .id = xstrdup(id) };
	v->bundle = xstrdup(c && c->bundle ? c->bundle : st->bundle ? st->bundle : "");
	v->rootfs = xstrdup(c && c->rootfs ? c->rootfs : "");
	v->created = xstrdup(c && c->created ? c->created : "");
	v->owner = owner_of(st);
	for (size_t i = 0; c && i < c->annotations.n; i++)
		strv_add(&v->annotations, c->annotations.v[i]);
	if (!state_shim_alive(st)) {
		v->status = xstrdup("stopped");
		return;
	}
	said = st->address ? ask(loop, st, id, &v->pid) : NULL;
	/* A container that the shim is still making counts as created for containerd. */
	if (!said || strcmp(recorded, "creating") == 0)
		said = recorded;
	v->status = xstrdup(said);
	if (strcmp(said, "stopped") == 0 || strcmp(said, "creating") == 0)
		v->pid = 0;
}

void view_free(struct view *v)
{
	free(v->id);
	free(v->bundle);
	free(v->rootfs);
	free(v->created);
	free(v->status);
	free(v->owner);
	strv_free(&v->annotations);
	*v = (struct view){ 0 };
}

static void add(json_object *obj, const char *name, const char *value)
{
	json_object_object_add(obj, name, json_object_new_string(value));
}

json_object *view_json(const struct view *v)
{
	json_object *obj = json_object_new_object();

	add(obj, "ociVersion", OCI_SPEC_VERSION);
	add(obj, "id", v->id);
	json_object_object_add(obj, "pid", json_object_new_int(v->pid));
	add(obj, "status", v->status);
	add(obj, "bundle", v->bundle);
	add(obj, "rootfs", v->rootfs);
	add(obj, "created", v->created);
	if (v->annotations.n > 1) {
		json_object *annotations = json_object_new_object();

		for (size_t i = 0; i + 1 < v->annotations.n; i += 2)
			add(annotations, v->annotations.v[i], v->annotations.v[i + 1]);
		json_object_object_add(obj, "annotations", annotations);
	}
	add(obj, "owner", v->owner);
	return obj;
}
