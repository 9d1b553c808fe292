/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/unmount.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

int unmount_at(const char *path, struct err *err)
{
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	/* EINVAL: no mount point (any more). */
	if (errno == EINVAL || errno == ENOENT || errno == ENOTDIR)
		return 0;
	return err_sys(err, errno, "%s: cannot unmount", path);
}

/* mountinfo writes blank, tab, newline and backslash as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* The fifth field of a line of mountinfo (proc(5)), in place; NULL if there is none. */
static char *mount_point(char *line)
{
	char *save = NULL, *field = strtok_r(line, " ", &save);

	for (int i = 1; i < 5 && field; i++)
		field = strtok_r(NULL, " ", &save);
	if (field)
		unescape(field);
	return field;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (path[n] == '\0' || path[n] == '/');
}

int unmount_below(const char *dir, struct err *err)
{
	auto_free char *real = NULL, *line = NULL;
	auto_fclose FILE *f = NULL;
	auto_strv struct strv points = { NULL, 0 };
	struct stat st;
	size_t cap = 0;
	int first = 0;

	if (lstat(dir, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "%s", dir);
	if (!S_ISDIR(st.st_mode))
		return 0;
	real = path_real(dir, err);
	if (!real)
		return -EINVAL;
	f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return err_sys(err, errno, "/proc/self/mountinfo");
	while (getline(&line, &cap, f) >= 0) {
		char *point = mount_point(line);

		if (point && is_below(point, real))
			strv_add(&points, point);
	}
	for (size_t i = points.n; i-- > 0;) {
		int r = unmount_at(points.v[i], first ? NULL : err);

		first = first ? first : r;
	}
	return first;
}
