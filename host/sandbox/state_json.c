/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/state_json.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"

/* The members that are strings; "" and absent are NULL. */
static const struct {
	const char *name;
	size_t offset;
} strings[] = {
	{ "namespace", offsetof(struct sandbox_state, namespace) },
	{ "bundle", offsetof(struct sandbox_state, bundle) },
	{ "address", offsetof(struct sandbox_state, address) },
	{ "hypervisor", offsetof(struct sandbox_state, hypervisor) },
	{ "configPath", offsetof(struct sandbox_state, config_path) },
	{ "netns", offsetof(struct sandbox_state, netns) },
	{ "netnsId", offsetof(struct sandbox_state, netns_id) },
}, container_strings[] = {
	{ "bundle", offsetof(struct state_container, bundle) },
	{ "rootfs", offsetof(struct state_container, rootfs) },
	{ "status", offsetof(struct state_container, status) },
	{ "created", offsetof(struct state_container, created) },
};

static char **member(const void *base, size_t offset)
{
	return (char **)(void *)((char *)(uintptr_t)base + offset);
}

static void put_string(struct json_object *o, const char *name, const char *value)
{
	if (value)
		json_object_object_add(o, name, json_object_new_string(value));
}

static void put_list(struct json_object *o, const char *name, const struct strv *list)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; i < list->n; i++)
		json_object_array_add(a, json_object_new_string(list->v[i]));
	json_object_object_add(o, name, a);
}

static struct json_object *container_to_json(const struct state_container *c)
{
	struct json_object *o = json_object_new_object(), *notes = json_object_new_object();

	put_string(o, "id", c->id);
	for (size_t i = 0; i < ARRAY_SIZE(container_strings); i++)
		put_string(o, container_strings[i].name, *member(c, container_strings[i].offset));
	for (size_t i = 0; i + 1 < c->annotations.n; i += 2)
		put_string(notes, c->annotations.v[i], c->annotations.v[i + 1]);
	json_object_object_add(o, "annotations", notes);
	return o;
}

static struct json_object *process_to_json(const struct state_process *p)
{
	struct json_object *o = json_object_new_object();

	put_string(o, "name", p->name);
	json_object_object_add(o, "pid", json_object_new_int(p->pid));
	json_object_object_add(o, "start", json_object_new_int64((int64_t)p->start));
	return o;
}

char *state_to_json(const struct sandbox_state *st)
{
	struct json_object *o = json_object_new_object(), *a;
	char *text;

	json_object_object_add(o, "version", json_object_new_int(STATE_VERSION));
	put_string(o, "id", st->id);
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		put_string(o, strings[i].name, *member(st, strings[i].offset));
	a = json_object_new_array();
	for (size_t i = 0; i < st->n_processes; i++)
		json_object_array_add(a, process_to_json(&st->processes[i]));
	json_object_object_add(o, "processes", a);
	put_list(o, "dirs", &st->dirs);
	put_list(o, "mounts", &st->mounts);
	put_list(o, "cgroups", &st->cgroups);
	put_list(o, "network", &st->network);
	a = json_object_new_array();
	for (size_t i = 0; i < st->n_containers; i++)
		json_object_array_add(a, container_to_json(&st->containers[i]));
	json_object_object_add(o, "containers", a);
	text = xasprintf("%s\n",
			 json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	return text;
}

/* The member @name of @o if it has @type; NULL in *@v if there is none. */
static int get(struct json_object *o, const char *name, enum json_type type, struct json_object **v,
	       struct err *err)
{
	if (!json_object_object_get_ex(o, name, v) || !*v) {
		*v = NULL;
		return 0;
	}
	if (!json_object_is_type(*v, type))
		return err_set(err, EINVAL, "\"%s\": must be of type %s", name,
			       json_type_to_name(type));
	return 0;
}

static int get_string(struct json_object *o, const char *name, char **out, struct err *err)
{
	struct json_object *v;
	int r = get(o, name, json_type_string, &v, err);

	if (r < 0 || !v)
		return r;
	free(*out);
	*out = xstrdup(json_object_get_string(v));
	return 0;
}

/* What is removed and unmounted by this name must be a plain path below the root. */
static bool path_is_sane(const char *path)
{
	const char *p = path;

	if (path[0] != '/' || strspn(path, "/") == strlen(path))
		return false;
	while ((p = strstr(p, "/.."))) {
		if (p[3] == '\0' || p[3] == '/')
			return false;
		p += 3;
	}
	return true;
}

static int get_paths(struct json_object *o, const char *name, struct strv *list, struct err *err)
{
	struct json_object *a;
	int r = get(o, name, json_type_array, &a, err);

	if (r < 0 || !a)
		return r;
	for (size_t i = 0; i < json_object_array_length(a); i++) {
		struct json_object *v = json_object_array_get_idx(a, i);

		if (!json_object_is_type(v, json_type_string) ||
		    !path_is_sane(json_object_get_string(v)))
			return err_set(err, EINVAL, "\"%s\": item %zu is no absolute path", name,
				       i);
		strv_add(list, json_object_get_string(v));
	}
	return 0;
}

static int get_words(struct json_object *o, const char *name, struct strv *list, struct err *err)
{
	struct json_object *a;
	int r = get(o, name, json_type_array, &a, err);

	for (size_t i = 0; r == 0 && a && i < json_object_array_length(a); i++) {
		struct json_object *v = json_object_array_get_idx(a, i);

		if (!json_object_is_type(v, json_type_string))
			return err_set(err, EINVAL, "\"%s\": item %zu is no string", name, i);
		strv_add(list, json_object_get_string(v));
	}
	return r;
}

static int get_process(struct json_object *o, struct state_process *p, struct err *err)
{
	struct json_object *pid, *start;

	if (!json_object_is_type(o, json_type_object))
		return err_set(err, EINVAL, "\"processes\": items must be objects");
	if (get_string(o, "name", &p->name, err) < 0 ||
	    get(o, "pid", json_type_int, &pid, err) < 0 ||
	    get(o, "start", json_type_int, &start, err) < 0)
		return err_wrap(err, "\"processes\"");
	/* 1 would be the host's init, 0 and less a whole group. */
	if (!p->name || !pid || json_object_get_int64(pid) <= 1 ||
	    json_object_get_int64(pid) > INT_MAX || !start || json_object_get_int64(start) < 0)
		return err_set(err, EINVAL, "\"processes\": items need name, pid and start");
	p->pid = json_object_get_int(pid);
	p->start = (uint64_t)json_object_get_int64(start);
	return 0;
}

static int get_processes(struct json_object *o, struct sandbox_state *st, struct err *err)
{
	struct json_object *a;
	int r = get(o, "processes", json_type_array, &a, err);

	if (r < 0 || !a)
		return r;
	st->processes = xcalloc(json_object_array_length(a) + 1, sizeof(*st->processes));
	for (size_t i = 0; r == 0 && i < json_object_array_length(a); i++)
		r = get_process(json_object_array_get_idx(a, i), &st->processes[st->n_processes++],
				err);
	return r;
}

static int get_container(struct json_object *o, struct sandbox_state *st, struct err *err)
{
	struct json_object *notes;
	auto_free char *id = NULL;
	struct state_container *c;

	if (!json_object_is_type(o, json_type_object) || get_string(o, "id", &id, NULL) < 0 ||
	    state_check_id(id, NULL) < 0)
		return err_set(err, EINVAL, "\"containers\": items must be objects with an id");
	c = state_add_container(st, id);
	for (size_t i = 0; i < ARRAY_SIZE(container_strings); i++)
		if (get_string(o, container_strings[i].name, member(c, container_strings[i].offset),
			       err) < 0)
			return err_wrap(err, "\"containers\"");
	if (get(o, "annotations", json_type_object, &notes, err) < 0)
		return err_wrap(err, "\"containers\"");
	if (!notes)
		return 0;
	json_object_object_foreach(notes, key, value)
	{
		if (!json_object_is_type(value, json_type_string))
			return err_set(err, EINVAL, "\"containers\": annotations must be strings");
		strv_add(&c->annotations, key);
		strv_add(&c->annotations, json_object_get_string(value));
	}
	return 0;
}

static int get_containers(struct json_object *o, struct sandbox_state *st, struct err *err)
{
	struct json_object *a;
	int r = get(o, "containers", json_type_array, &a, err);

	for (size_t i = 0; r == 0 && a && i < json_object_array_length(a); i++)
		r = get_container(json_object_array_get_idx(a, i), st, err);
	return r;
}

static int from_object(struct json_object *o, struct sandbox_state *st, struct err *err)
{
	auto_free char *id = NULL;
	struct json_object *version;

	if (!json_object_is_type(o, json_type_object))
		return err_set(err, EINVAL, "is no JSON object");
	if (get(o, "version", json_type_int, &version, err) < 0)
		return -EINVAL;
	if (!version || json_object_get_int64(version) != STATE_VERSION)
		return err_set(err, EINVAL, "\"version\": must be %d", STATE_VERSION);
	if (get_string(o, "id", &id, err) < 0)
		return -EINVAL;
	if (!id || strcmp(id, st->id))
		return err_set(err, EINVAL, "\"id\": must be \"%s\"", st->id);
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		if (get_string(o, strings[i].name, member(st, strings[i].offset), err) < 0)
			return -EINVAL;
	if (get_processes(o, st, err) < 0 || get_paths(o, "dirs", &st->dirs, err) < 0 ||
	    get_paths(o, "mounts", &st->mounts, err) < 0 ||
	    get_paths(o, "cgroups", &st->cgroups, err) < 0 ||
	    get_words(o, "network", &st->network, err) < 0 || get_containers(o, st, err) < 0)
		return -EINVAL;
	return 0;
}

int state_from_json(const char *text, size_t len, struct sandbox_state *st, struct err *err)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o;
	enum json_tokener_error e;
	int r;

	if (len > INT_MAX)
		return err_set(err, EFBIG, "too large");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(tok, text, (int)len);
	e = json_tokener_get_error(tok);
	if (!o && e == json_tokener_success)
		e = json_tokener_error_parse_eof; /* the text is "null" */
	if (e != json_tokener_success)
		r = err_set(err, EINVAL, "is no JSON: %s",
			    e == json_tokener_continue ? "cut short" : json_tokener_error_desc(e));
	else
		r = from_object(o, st, err);
	json_object_put(o);
	json_tokener_free(tok);
	return r;
}
