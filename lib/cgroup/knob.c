/* SPDX-License-Identifier: Apache-2.0 */
/* One file of a group, by its controller. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cgroup/internal.h"

int knob_set(struct cgroup *cg, const char *controller, const char *file, const char *text,
	     struct err *err)
{
	bool v2;
	auto_free char *path = controller_file(cg, controller, file, &v2);

	if (!path)
		return err_set(err, ENOENT, "the host has no cgroup controller %s", controller);
	return file_write_knob(path, text, strlen(text), err);
}

int knob_set_number(struct cgroup *cg, const char *controller, const char *file, int64_t v,
		    const char *unlimited, struct err *err)
{
	auto_free char *text = v == -1 ? xstrdup(unlimited) : xasprintf("%" PRId64, v);

	return knob_set(cg, controller, file, text, err);
}

bool knob_exists(struct cgroup *cg, const char *controller, const char *file)
{
	bool v2;
	auto_free char *path = controller_file(cg, controller, file, &v2);

	return path && access(path, F_OK) == 0;
}

bool controller_is_v2(struct cgroup *cg, const char *controller)
{
	bool v2 = false;
	auto_free char *path = controller_file(cg, controller, "", &v2);

	return path && v2;
}
