/* SPDX-License-Identifier: Apache-2.0 */
#include "host/monitor/sandboxes.h"

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/sandbox/state.h"

/* A member of a pod is a symbolic link to its sandbox's directory, and no sandbox. */
static bool is_sandbox(const char *root, const char *id, char **socket)
{
	auto_free char *dir = path_join(root, id);
	auto_free char *path = path_join(dir, SANDBOX_MONITOR);
	struct stat st;

	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	*socket = take_ptr(path);
	return true;
}

static void add(struct sandbox_list *list, const char *root, const char *id, char *socket)
{
	list->v = xrealloc(list->v, (list->n + 1) * sizeof(*list->v));
	list->v[list->n++] = (struct sandbox_entry){ .id = xstrdup(id),
						     .socket = socket,
						     .root = xstrdup(root),
						     .uid = xstrdup(""),
						     .name = xstrdup(""),
						     .namespace = xstrdup("") };
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct sandbox_entry *)a)->id, ((const struct sandbox_entry *)b)->id);
}

static bool is_known(const struct sandbox_list *list, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list->v[i].id, id))
			return true;
	return false;
}

void sandboxes_list(const struct strv *roots, struct sandbox_list *list)
{
	*list = (struct sandbox_list){ NULL, 0 };
	for (size_t i = 0; i < roots->n; i++) {
		auto_closedir DIR *dir = opendir(roots->v[i]);
		size_t before = list->n;
		const struct dirent *e;
		char *socket;

		while (dir && (e = readdir(dir))) {
			/* The same ID below two roots would be one series twice. */
			if (state_check_id(e->d_name, NULL) == 0 &&
			    !is_known(list, before, e->d_name) &&
			    is_sandbox(roots->v[i], e->d_name, &socket))
				add(list, roots->v[i], e->d_name, socket);
		}
	}
	if (list->n > 0)
		qsort(list->v, list->n, sizeof(*list->v), by_id);
}

void sandboxes_free(struct sandbox_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct sandbox_entry *e = &list->v[i];

		free(e->id);
		free(e->socket);
		free(e->root);
		free(e->uid);
		free(e->name);
		free(e->namespace);
	}
	free(list->v);
	*list = (struct sandbox_list){ NULL, 0 };
}

char *sandboxes_socket(const struct strv *roots, const char *id, struct err *err)
{
	char *socket = NULL;

	if (state_check_id(id, err) < 0)
		return NULL;
	for (size_t i = 0; i < roots->n; i++)
		if (is_sandbox(roots->v[i], id, &socket))
			return socket;
	err_set(err, ENOENT, "there is no sandbox %s", id);
	return NULL;
}

/* ---- the pod ---------------------------------------------------------------------- */

static const char *annotation(const struct state_container *c, const char *key)
{
	for (size_t i = 0; i + 1 < c->annotations.n; i += 2)
		if (!strcmp(c->annotations.v[i], key))
			return c->annotations.v[i + 1];
	return NULL;
}

static void set(char **field, const char *value)
{
	if (!value || !*value)
		return;
	free(*field);
	*field = xstrdup(value);
}

/* CRI-O has the labels that the kubelet gave the pod as an object of JSON. */
static void name_by_labels(struct sandbox_entry *e, const char *labels)
{
	const struct {
		const char *name;
		char **field;
	} all[] = {
		{ "io.kubernetes.pod.uid", &e->uid },
		{ "io.kubernetes.pod.name", &e->name },
		{ "io.kubernetes.pod.namespace", &e->namespace },
	};
	struct json_object *o = labels ? json_tokener_parse(labels) : NULL, *v;

	for (size_t i = 0; o && i < ARRAY_SIZE(all); i++)
		if (json_object_object_get_ex(o, all[i].name, &v) &&
		    json_object_is_type(v, json_type_string))
			set(all[i].field, json_object_get_string(v));
	json_object_put(o);
}

/* What one of its containers says; that may be a member of the pod as well as its first. */
static void name_by(struct sandbox_entry *e, const struct state_container *c)
{
	name_by_labels(e, annotation(c, "io.kubernetes.cri-o.Labels"));
	set(&e->uid, annotation(c, "io.kubernetes.pod.uid"));
	set(&e->name, annotation(c, "io.kubernetes.pod.name"));
	set(&e->namespace, annotation(c, "io.kubernetes.pod.namespace"));
	set(&e->uid, annotation(c, "io.kubernetes.cri.sandbox-uid"));
	set(&e->name, annotation(c, "io.kubernetes.cri.sandbox-name"));
	set(&e->namespace, annotation(c, "io.kubernetes.cri.sandbox-namespace"));
}

void sandboxes_name(struct sandbox_entry *e)
{
	struct sandbox_state *st = NULL;

	if (state_load(e->root, e->id, &st, NULL) < 0)
		return;
	for (size_t i = 0; i < st->n_containers && !*e->uid; i++)
		name_by(e, &st->containers[i]);
	state_free(st);
}
