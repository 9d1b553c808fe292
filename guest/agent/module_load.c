/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/module_load.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/module.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/agent/helper.h"

#ifndef MODULE_INIT_COMPRESSED_FILE
#define MODULE_INIT_COMPRESSED_FILE 4
#endif
#define IMAGE_LIST  "/lib/kata/modules.list"
#define IMAGE_LATER "/lib/kata/modules.later"
#define FILESYSTEMS "/proc/filesystems"
#define NAME_MAX_   64
#define LIST_MAX    (4u << 20)
#define LIMIT_MS    20000
#define PARAMS_MAX  16

/* '-' and '_' are one in these names. */
static bool same_name(const char *file, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++) {
		char a = file[i] == '-' ? '_' : file[i], b = name[i] == '-' ? '_' : name[i];

		if (a != b)
			return false;
	}
	return !name[len];
}

/* "kernel/x/virtio_blk.ko.xz" is virtio_blk. */
static bool is_module(const char *file, size_t len, const char *name)
{
	const char *base = file;

	for (size_t i = 0; i < len; i++)
		if (file[i] == '/')
			base = file + i + 1;
	len -= (size_t)(base - file);
	for (size_t i = 0; i + 3 <= len; i++)
		if (!strncmp(base + i, ".ko", 3) && (i + 3 == len || base[i + 3] == '.'))
			return same_name(base, i, name);
	return false;
}

void module_files(const char *text, const char *name, struct strv *files)
{
	for (const char *l = text; *l; l += strcspn(l, "\n"), l += *l == '\n') {
		size_t len = strcspn(l, ":\n");
		auto_free char *rest = NULL;
		char *save = NULL;

		if (!is_module(l, len, name))
			continue;
		strv_take(files, xstrndup(l, len));
		if (l[len] != ':')
			return;
		rest = xstrndup(l + len + 1, strcspn(l + len + 1, "\n"));
		for (char *w = strtok_r(rest, " ", &save); w; w = strtok_r(NULL, " ", &save))
			strv_add(files, w);
		/* modules.dep has the nearest first. */
		for (size_t i = 0, k = files->n - 1; i < k; i++, k--) {
			char *swap = files->v[i];

			files->v[i] = files->v[k];
			files->v[k] = swap;
		}
		return;
	}
}

static int load_file(const char *path, const char *parameters, struct err *err)
{
	int flags = str_ends(path, ".ko") ? 0 : MODULE_INIT_COMPRESSED_FILE;
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, parameters, flags) < 0 && errno != EEXIST))
		return err_sys(err, errno, "%s", path);
	return 0;
}

static bool is_there(const char *name, const char *dir)
{
	auto_free char *plain = xstrdup(name);
	auto_free char *builtin = xasprintf("%s/modules.builtin", dir);
	auto_free char *path = NULL;
	auto_str struct str text = STR_INIT;
	auto_strv struct strv files = { NULL, 0 };

	for (char *p = plain; *p; p++)
		*p = *p == '-' ? '_' : *p;
	path = xasprintf("/sys/module/%s", plain);
	if (access(path, F_OK) == 0)
		return true;
	if (file_read(builtin, LIST_MAX, &text, NULL) == 0)
		module_files(str_text(&text), name, &files);
	return files.n > 0;
}

static int load_itself(const char *name, const char *parameters, struct err *err)
{
	auto_free char *dir = NULL;
	auto_free char *list = NULL;
	auto_str struct str dep = STR_INIT, own = STR_INIT, later = STR_INIT;
	auto_strv struct strv files = { NULL, 0 };
	struct utsname u;
	int r = 0;

	uname(&u);
	dir = xasprintf("/lib/modules/%s", u.release);
	if (is_there(name, dir))
		return 0;
	list = xasprintf("%s/modules.dep", dir);
	if (file_read(list, LIST_MAX, &dep, NULL) == 0)
		module_files(str_text(&dep), name, &files);
	if (files.n == 0 && file_read(IMAGE_LIST, LIST_MAX, &own, NULL) == 0)
		module_files(str_text(&own), name, &files);
	if (files.n == 0 && file_read(IMAGE_LATER, LIST_MAX, &later, NULL) == 0)
		module_files(str_text(&later), name, &files);
	if (files.n == 0)
		return err_set(err, ENOENT, "the guest has none of that name");
	for (size_t i = 0; r == 0 && i < files.n; i++) {
		auto_free char *path =
			files.v[i][0] == '/' ? xstrdup(files.v[i]) : path_join(dir, files.v[i]);

		r = load_file(path, i + 1 < files.n ? "" : parameters, err);
	}
	return r;
}

static bool is_name(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_-", name[i]))
			return false;
	return n > 0 && n < NAME_MAX_ && name[0] != '-';
}

int module_load(const char *name, char *const *parameters, size_t n, struct err *err)
{
	const char *argv[PARAMS_MAX + 4] = { "modprobe", "-v", name };
	auto_str struct str joined = STR_INIT;
	struct err why = ERR_INIT;
	int r;

	if (!is_name(name))
		return err_set(err, EINVAL, "kernel module \"%s\": no such name", name);
	if (n > PARAMS_MAX)
		return err_set(err, E2BIG, "kernel module %s: %zu parameters", name, n);
	for (size_t i = 0; i < n; i++) {
		argv[3 + i] = parameters[i];
		str_printf(&joined, "%s%s", i ? " " : "", parameters[i]);
	}
	r = helper_run(argv, -1, -1, LIMIT_MS, &why);
	if (r == -ENOENT) {
		err_clear(&why);
		r = load_itself(name, str_text(&joined), &why);
	}
	return r < 0 ? err_set(err, r, "kernel module %s: %s", name, err_msg(&why)) : 0;
}

void module_load_fs(const char *fstype)
{
	auto_free char *line = xasprintf("\t%s\n", fstype);
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;

	if (file_read(FILESYSTEMS, LIST_MAX, &text, NULL) == 0 && !strstr(str_text(&text), line) &&
	    module_load(fstype, NULL, 0, &err) < 0)
		log_debug("%s", err_msg(&err));
}
