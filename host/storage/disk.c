/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define ATTRIBUTE_MAX 4096

static int read_attribute(int64_t major, int64_t minor, const char *name, struct str *out)
{
	auto_free char *path =
		xasprintf("/sys/dev/block/%lld:%lld/%s", (long long)major, (long long)minor, name);

	return file_read(path, ATTRIBUTE_MAX, out, NULL);
}

int disk_path(int64_t major, int64_t minor, char **path, struct err *err)
{
	auto_str struct str text = STR_INIT;
	auto_free char *node = NULL;
	char *save = NULL;
	struct stat st;

	if (read_attribute(major, minor, "uevent", &text) < 0)
		return err_set(err, ENODEV, "there is no block device %lld:%lld", (long long)major,
			       (long long)minor);
	for (char *l = strtok_r(text.data, "\n", &save); l && !node;
	     l = strtok_r(NULL, "\n", &save))
		if (str_starts(l, "DEVNAME="))
			node = xasprintf("/dev/%s", l + strlen("DEVNAME="));
	if (!node || stat(node, &st) < 0 || !S_ISBLK(st.st_mode) ||
	    st.st_rdev != makedev((unsigned)major, (unsigned)minor))
		return err_set(err, ENODEV, "the block device %lld:%lld has no node%s%s",
			       (long long)major, (long long)minor, node ? ", not even " : "",
			       node ? node : "");
	*path = take_ptr(node);
	return 0;
}

bool disk_read_only(int64_t major, int64_t minor)
{
	auto_str struct str text = STR_INIT;

	return read_attribute(major, minor, "ro", &text) == 0 && str_starts(str_text(&text), "1");
}
