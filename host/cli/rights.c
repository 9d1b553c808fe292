/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/rights.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define MAP_MAX 65536

int rights_judge(uid_t uid, const char *map, struct err *err)
{
	unsigned long inside, outside, count;

	if (uid != 0)
		return err_set(err, EPERM,
			       "user %u has no rights to run containers: machines need control "
			       "groups, network devices and mounts of the host; call this, or "
			       "the engine, as root",
			       (unsigned)uid);
	if (sscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3 &&
	    (inside || outside || count < 65536))
		return err_set(err, EPERM,
			       "root of a user namespace (a rootless engine) has no rights to run "
			       "containers: machines need control groups, network devices and "
			       "mounts of the host; call the engine as root");
	return 0;
}

int rights_check(struct err *err)
{
	auto_str struct str map = STR_INIT;

	/* Without /proc others say what is missing. */
	(void)file_read("/proc/self/uid_map", MAP_MAX, &map, NULL);
	return rights_judge(geteuid(), str_text(&map), err);
}
