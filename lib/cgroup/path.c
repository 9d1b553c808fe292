/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cgroup/internal.h"

/* "slice:prefix:name": systemd's way to say "/slice/prefix-name". NULL if it is not one. */
static char *systemd_form(const char *spec)
{
	const char *first = strchr(spec, ':'), *second = first ? strchr(first + 1, ':') : NULL;
	int slice, prefix;

	if (!second || strchr(spec, '/') || strchr(second + 1, ':') || !second[1])
		return NULL;
	slice = (int)(first - spec);
	prefix = (int)(second - first - 1);
	return xasprintf("%.*s/%.*s%s%s", slice, spec, prefix, first + 1, prefix ? "-" : "",
			 second + 1);
}

/* The form in its three parts, which are cut out of @text. False: it is another one. */
static bool split(char *text, char *part[3])
{
	if (strchr(text, '/'))
		return false;
	part[0] = text;
	for (int i = 1; i < 3; i++) {
		char *colon = strchr(part[i - 1], ':');

		if (!colon)
			return false;
		*colon = '\0';
		part[i] = colon + 1;
	}
	return *part[2] && !strchr(part[2], ':');
}

/* "a-b-c.slice" → "/a.slice/a-b.slice/a-b-c.slice": systemd.slice(5). */
static int add_slice(struct str *out, const char *slice, const char *spec, struct err *err)
{
	static const char suffix[] = ".slice";
	size_t len = strlen(slice);

	if (!strcmp(slice, "-.slice"))
		return 0;
	if (!str_ends(slice, suffix) || slice[0] == '-' || slice[0] == '.' || strstr(slice, "--") ||
	    strstr(slice, "-.slice"))
		return err_set(err, EINVAL, "cgroupsPath \"%s\": \"%s\" is no slice", spec, slice);
	for (const char *p = slice; (p = strchr(p, '-')); p++)
		str_printf(out, "/%.*s%s", (int)(p - slice), slice, suffix);
	str_putc(out, '/');
	str_add(out, slice, len);
	return 0;
}

/* -ENOENT: @spec is of another form. */
static int unit_path(const char *spec, struct str *out, struct err *err)
{
	auto_free char *text = xstrdup(spec);
	char *part[3];
	int r;

	if (!split(text, part))
		return -ENOENT;
	r = add_slice(out, *part[0] ? part[0] : "system.slice", spec, err);
	if (r < 0)
		return r;
	if (str_ends(part[2], ".slice"))
		str_printf(out, "/%s", part[2]);
	else
		str_printf(out, "/%s%s%s.scope", part[1], *part[1] ? "-" : "", part[2]);
	return 0;
}

/* Room is left for a mount point and a file in the group. */
#define HOST_PATH_MAX (PATH_MAX - 512)

static int check_lengths(const char *path, struct err *err)
{
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		size_t len = strcspn(++p, "/");

		if (len > NAME_MAX)
			return err_set(err, EINVAL,
				       "cgroupsPath: \"%.40s…\" is too long, at most %d bytes", p,
				       NAME_MAX);
	}
	if (strlen(path) > HOST_PATH_MAX)
		return err_set(err, EINVAL, "cgroupsPath \"%.40s…\" is too long, at most %d bytes",
			       path, HOST_PATH_MAX);
	return 0;
}

int cgroup_host_path(const char *spec, char **path, struct err *err)
{
	auto_str struct str unit = STR_INIT;
	auto_free char *found = NULL;
	int r = unit_path(spec, &unit, err);

	if (r < 0 && r != -ENOENT)
		return r;
	r = cgroup_path(r == 0 ? str_text(&unit) : spec, "", &found, err);
	if (r == 0)
		r = check_lengths(found, err);
	if (r == 0)
		*path = take_ptr(found);
	return r;
}

int cgroup_path(const char *spec, const char *fallback, char **path, struct err *err)
{
	auto_free char *text = spec && *spec ? systemd_form(spec) : xstrdup(fallback);
	auto_str struct str out = STR_INIT;
	char *save = NULL;

	if (!text)
		text = xstrdup(spec);
	for (char *c = strtok_r(text, "/", &save); c; c = strtok_r(NULL, "/", &save)) {
		if (!strcmp(c, "."))
			continue;
		if (!strcmp(c, "..") || strchr(c, '\n'))
			return err_set(err, EINVAL, "cgroupsPath \"%s\": bad component", spec);
		str_printf(&out, "/%s", c);
	}
	if (out.len == 0)
		return err_set(err, EINVAL, "cgroupsPath \"%s\" is the root", spec);
	*path = str_take(&out);
	return 0;
}
