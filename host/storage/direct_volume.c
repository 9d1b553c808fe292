/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/direct_volume.h"

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/file.h"

#define INFO	 "mountInfo.json"
#define INFO_MAX 65536

char *direct_volume_name(const char *path)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t len = strlen(path);
	char *name = xmalloc((len + 2) / 3 * 4 + 1), *p = name;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = 0;

		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (j < n ? (uint8_t)path[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			*p++ = j <= n ? digits[bits >> (18 - 6 * j) & 63] : '=';
	}
	*p = '\0';
	return name;
}

static char *dir_of(const char *root, const char *path)
{
	auto_free char *name = direct_volume_name(path);

	return path_join(root, name);
}

static int check_path(const char *path, struct err *err)
{
	if (path && path[0] == '/')
		return 0;
	return err_set(err, EINVAL, "the volume's path \"%s\" is not absolute", path ? path : "");
}

/* ---- what it is -------------------------------------------------------------------- */

static const char *text_of(struct json_object *o, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static int take_group(struct json_object *o, struct direct_volume *v, struct err *err)
{
	const char *group = text_of(o, "fsGroup"), *policy = text_of(o, "fsGroupChangePolicy");
	long long n;

	if (!*group)
		return 0;
	if (str_to_ll(group, 0, UINT32_MAX, &n) < 0)
		return err_set(err, EINVAL, "metadata.fsGroup: \"%s\" is no group", group);
	if (*policy && strcasecmp(policy, "Always") != 0 &&
	    strcasecmp(policy, "OnRootMismatch") != 0)
		return err_set(err, EINVAL,
			       "metadata.fsGroupChangePolicy: \"%s\" is neither Always nor "
			       "OnRootMismatch",
			       policy);
	v->has_group = true;
	v->group = (uint32_t)n;
	v->on_mismatch = strcasecmp(policy, "OnRootMismatch") == 0;
	return 0;
}

static int take_options(struct json_object *list, struct direct_volume *v, struct err *err)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		if (!json_object_is_type(one, json_type_string))
			return err_set(err, EINVAL, "options: has what is no string");
		strv_add(&v->options, json_object_get_string(one));
	}
	return 0;
}

static int take(struct json_object *o, struct direct_volume *v, struct err *err)
{
	struct json_object *part;
	int r = 0;

	if (!json_object_is_type(o, json_type_object))
		return err_set(err, EINVAL, "is no JSON object");
	v->type = xstrdup(text_of(o, "volume-type"));
	v->device = xstrdup(text_of(o, "device"));
	v->fstype = xstrdup(text_of(o, "fstype"));
	if (*v->type && strcmp(v->type, "block") != 0)
		return err_set(err, EOPNOTSUPP, "volume-type: \"%s\" is not known; only block is",
			       v->type);
	if (v->device[0] != '/')
		return err_set(err, EINVAL, "device: \"%s\" is no absolute path", v->device);
	if (json_object_object_get_ex(o, "options", &part) &&
	    json_object_is_type(part, json_type_array))
		r = take_options(part, v, err);
	if (r == 0 && json_object_object_get_ex(o, "metadata", &part) &&
	    json_object_is_type(part, json_type_object))
		r = take_group(part, v, err);
	return r;
}

static int parse(const char *text, struct direct_volume *v, struct err *err)
{
	struct json_object *o = json_tokener_parse(text);
	int r;

	*v = (struct direct_volume){ .options = { NULL, 0 } };
	r = take(o, v, err);
	json_object_put(o);
	if (r < 0)
		direct_volume_release(v);
	return r;
}

void direct_volume_release(struct direct_volume *v)
{
	free(v->type);
	free(v->device);
	free(v->fstype);
	strv_free(&v->options);
	*v = (struct direct_volume){ .options = { NULL, 0 } };
}

/* ---- where it stands ------------------------------------------------------------------ */

int direct_volume_add(const char *root, const char *path, const char *info, struct err *err)
{
	auto_free char *dir = dir_of(root, path ? path : "");
	auto_free char *file = path_join(dir, INFO);
	struct direct_volume v;
	int r = check_path(path, err);

	if (r < 0)
		return r;
	if (parse(info, &v, err) < 0)
		return err_wrap(err, "the mount's description");
	direct_volume_release(&v);
	r = dir_make(dir, 0700, err);
	return r < 0 ? r : file_replace(file, info, strlen(info), 0600, err);
}

int direct_volume_remove(const char *root, const char *path, struct err *err)
{
	auto_free char *dir = dir_of(root, path ? path : "");
	int r = check_path(path, err);

	return r < 0 ? r : tree_remove(dir, err);
}

int direct_volume_load(const char *root, const char *path, struct direct_volume *v, struct err *err)
{
	auto_free char *dir = dir_of(root, path);
	auto_free char *file = path_join(dir, INFO);
	auto_str struct str text = STR_INIT;
	int r = file_read(file, INFO_MAX, &text, err);

	if (r == -ENOENT || r == -ENAMETOOLONG) {
		err_clear(err);
		return -ENOENT;
	}
	if (r == 0 && parse(str_text(&text), v, err) < 0)
		return err_wrap(err, "%s", file);
	return r;
}

int direct_volume_join(const char *root, const char *path, const char *sandbox, struct err *err)
{
	auto_free char *dir = dir_of(root, path);
	auto_free char *file = path_join(dir, sandbox);

	return file_replace(file, "", 0, 0600, err);
}

int direct_volume_sandbox(const char *root, const char *path, char **sandbox, struct err *err)
{
	auto_free char *dir = dir_of(root, path ? path : "");
	DIR *d = opendir(dir);
	const struct dirent *e;

	*sandbox = NULL;
	while (d && !*sandbox && (e = readdir(d)))
		if (e->d_name[0] != '.' && strcmp(e->d_name, INFO) != 0)
			*sandbox = xstrdup(e->d_name);
	if (d)
		closedir(d);
	if (*sandbox)
		return 0;
	return err_set(err, ENOENT, d ? "the volume %s is in no sandbox" : "%s is no direct volume",
		       path ? path : "");
}
