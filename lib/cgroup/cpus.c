/* SPDX-License-Identifier: Apache-2.0 */
/* Processors that come online while groups are there. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cgroup/internal.h"

#define LIST_MAX 4096

static int set(const char *dir, const char *list, struct err *err)
{
	auto_free char *file = path_join(dir, "cpuset.cpus");

	return file_write_knob(file, list, strlen(list), err);
}

/* The group's parents from the first to the last, then the group itself. */
static int set_all(const struct hierarchy *h, const char *path, const char *all, const char *own,
		   struct err *err)
{
	auto_free char *dir = xasprintf("%s%s", h->mount, path);

	for (char *p = dir + strlen(h->mount) + 1; *p; p++) {
		int r;

		if (*p != '/')
			continue;
		*p = '\0';
		r = set(dir, all, err);
		*p = '/';
		if (r < 0)
			return r;
	}
	return set(dir, own, err);
}

int cgroup_cpus_came(const struct cgroup *cg, const char *own, struct err *err)
{
	size_t n;
	const struct hierarchy *h = hierarchies(&n);

	for (size_t i = 0; i < n; i++) {
		auto_free char *root = path_join(h[i].mount, "cpuset.cpus");
		auto_str struct str all = STR_INIT;
		int r;

		if (h[i].v2 || !strstr(h[i].name, "cpuset"))
			continue;
		r = file_read(root, LIST_MAX, &all, err);
		if (r == 0)
			r = set_all(&h[i], cg->path, str_text(&all), own ? own : str_text(&all),
				    err);
		if (r < 0)
			return r;
	}
	return 0;
}
