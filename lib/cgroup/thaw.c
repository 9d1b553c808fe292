/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cgroup/internal.h"

/* Whether @names, "a,b" of @len, has the freezer. */
static bool has_freezer(const char *names, size_t len)
{
	auto_free char *list = xasprintf(",%.*s,", (int)len, names);

	return strstr(list, ",freezer,") != NULL;
}

char *freezer_path(const char *text)
{
	char *unified = NULL, *freezer = NULL;

	while (*text) {
		size_t len = strcspn(text, "\n");
		const char *names = memchr(text, ':', len), *path;

		path = names ? memchr(names + 1, ':', (size_t)(text + len - names - 1)) : NULL;
		if (path) {
			size_t room = (size_t)(text + len - path - 1);

			if (path == names + 1 && !unified)
				unified = xasprintf("%.*s", (int)room, path + 1);
			else if (!freezer && has_freezer(names + 1, (size_t)(path - names - 1)))
				freezer = xasprintf("%.*s", (int)room, path + 1);
		}
		text += len + (text[len] == '\n');
	}
	if (!freezer)
		return unified;
	free(unified);
	return freezer;
}

void cgroup_thaw_process(pid_t pid)
{
	auto_free char *file = xasprintf("/proc/%d/cgroup", (int)pid), *path = NULL;
	auto_str struct str text = STR_INIT;
	struct cgroup *cg;

	if (file_read(file, 65536, &text, NULL) < 0)
		return;
	path = freezer_path(str_text(&text));
	/* The root cannot be frozen, and what is outside of our view is not ours to thaw. */
	if (!path || !*path || !strcmp(path, "/") || str_starts(path, "/.."))
		return;
	cg = cgroup_open(path);
	(void)cgroup_freeze(cg, false, NULL);
	cgroup_free(cg);
}
