/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
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
