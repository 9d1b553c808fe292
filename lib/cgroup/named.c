/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that have a name: huge pages, RDMA devices, interfaces, and files of version 2. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cgroup/internal.h"

/* A name that becomes part of a file's name. */
static bool is_plain(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/');
}

static int limit_hugetlb(struct cgroup *cg, const struct cgroup_named *l, struct err *err)
{
	bool v2 = controller_is_v2(cg, "hugetlb");
	auto_free char *file = xasprintf("hugetlb.%s.%s", l->name, v2 ? "max" : "limit_in_bytes");
	auto_free char *reserved =
		xasprintf("hugetlb.%s.rsvd.%s", l->name, v2 ? "max" : "limit_in_bytes");
	int r;

	if (!is_plain(l->name) || !*l->value)
		return err_set(err, EINVAL, "huge pages of \"%s\": no such size", l->name);
	r = knob_set(cg, "hugetlb", file, l->value, err);
	/* What is reserved and not yet used counts there; older kernels do not have it. */
	if (r == 0 && knob_exists(cg, "hugetlb", reserved))
		r = knob_set(cg, "hugetlb", reserved, l->value, err);
	return r < 0 ? err_wrap(err, "huge pages of %s", l->name) : 0;
}

static int limit_pair(struct cgroup *cg, const char *controller, const char *file,
		      const struct cgroup_named *l, struct err *err)
{
	auto_free char *line = xasprintf("%s %s", l->name, l->value);

	return knob_set(cg, controller, file, line, err);
}

/* One line at a time: that is what the kernel takes. */
static int write_lines(const char *path, const char *text, struct err *err)
{
	auto_free char *lines = xstrdup(text);
	char *save = NULL;
	int r = 0;

	for (char *l = strtok_r(lines, "\n", &save); r == 0 && l; l = strtok_r(NULL, "\n", &save))
		r = file_write_knob(path, l, strlen(l), err);
	return r;
}

static int limit_unified(struct cgroup *cg, const struct cgroup_named *l, struct err *err)
{
	size_t n;
	const struct hierarchy *h = hierarchies(&n);

	/* A setting of a controller; what moves, kills or stops processes is none. */
	if (!is_plain(l->name) || !strchr(l->name, '.') ||
	    (str_starts(l->name, "cgroup.") && !str_starts(l->name, "cgroup.max.")))
		return err_set(err, EINVAL, "unified \"%s\": not the name of a setting", l->name);
	for (size_t i = 0; i < n; i++) {
		auto_free char *dir = NULL, *path = NULL;
		int r;

		if (!h[i].v2)
			continue;
		dir = group_dir(&h[i], cg);
		path = path_join(dir, l->name);
		if (access(path, F_OK) < 0)
			return err_set(err, ENOENT,
				       "unified \"%s\": the controller is not available", l->name);
		r = write_lines(path, l->value, err);
		return r < 0 ? err_wrap(err, "unified \"%s\"", l->name) : 0;
	}
	return err_set(err, EOPNOTSUPP,
		       "unified \"%s\": the host has no version 2 of control groups", l->name);
}

int limit_named(struct cgroup *cg, const struct cgroup_limits *l, struct err *err)
{
	bool v2;
	auto_free char *classid = controller_file(cg, "net_cls", "net_cls.classid", &v2);
	auto_free char *ifpriomap = controller_file(cg, "net_prio", "net_prio.ifpriomap", &v2);
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->hugetlb.n; i++)
		r = limit_hugetlb(cg, &l->hugetlb.v[i], err);
	for (size_t i = 0; r == 0 && i < l->rdma.n; i++)
		r = limit_pair(cg, "rdma", "rdma.max", &l->rdma.v[i], err);
	if (r == 0 && l->net_class && classid)
		r = knob_set_number(cg, "net_cls", "net_cls.classid", l->net_class, "", err);
	for (size_t i = 0; r == 0 && ifpriomap && i < l->net_priorities.n; i++)
		r = limit_pair(cg, "net_prio", "net_prio.ifpriomap", &l->net_priorities.v[i], err);
	for (size_t i = 0; r == 0 && i < l->unified.n; i++)
		r = limit_unified(cg, &l->unified.v[i], err);
	return r;
}
