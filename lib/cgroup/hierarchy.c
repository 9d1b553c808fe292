/* SPDX-License-Identifier: Apache-2.0 */
/* Which hierarchies are mounted where: proc_pid_mountinfo(5). */
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cgroup/internal.h"

#define HIERARCHIES_MAX 32
#define MOUNTINFO_MAX	(4u << 20)

static struct hierarchy all[HIERARCHIES_MAX];
static size_t nall;
static bool known;

/* Version 1's super block options that are no controllers. */
static bool is_controller(const char *opt)
{
	static const char *const others[] = {
		"rw", "ro", "none", "noprefix", "clone_children", "xattr", "release_agent"
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (!strncmp(opt, others[i], strlen(others[i])))
			return false;
	return true;
}

/* "rw,memory" → "memory". The caller frees. */
static char *v1_name(const char *superopts)
{
	auto_free char *opts = xstrdup(superopts);
	struct str name = STR_INIT;
	char *save = NULL;

	for (char *o = strtok_r(opts, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		if (!is_controller(o))
			continue;
		if (name.len > 0)
			str_putc(&name, ',');
		str_puts(&name, o);
	}
	return str_take(&name);
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static char *unescape(const char *s)
{
	struct str out = STR_INIT;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			str_putc(&out,
				 (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0')));
			s += 3;
		} else {
			str_putc(&out, *s);
		}
	}
	return str_take(&out);
}

/* ID PARENT DEV ROOT MOUNT OPTIONS [FIELDS] - TYPE SOURCE SUPEROPTIONS */
static bool parse_line(char *line, struct hierarchy *h)
{
	char *tail = strstr(line, " - "), *save = NULL, *mount = NULL, *type, *superopts = NULL;
	int field = 0;

	if (!tail)
		return false;
	*tail = '\0';
	tail += 3;
	for (char *f = strtok_r(line, " ", &save); f; f = strtok_r(NULL, " ", &save))
		if (++field == 5)
			mount = f;
	type = strtok_r(tail, " ", &save);
	if (!mount || !type || !strtok_r(NULL, " ", &save))
		return false;
	superopts = strtok_r(NULL, " ", &save);
	if (strcmp(type, "cgroup") && strcmp(type, "cgroup2"))
		return false;
	h->v2 = !strcmp(type, "cgroup2");
	h->mount = unescape(mount);
	h->name = h->v2 ? xstrdup("") : v1_name(superopts ? superopts : "");
	return true;
}

size_t hierarchies_parse(const char *mountinfo, struct hierarchy *out, size_t max)
{
	auto_free char *text = xstrdup(mountinfo);
	char *save = NULL;
	size_t n = 0;

	for (char *l = strtok_r(text, "\n", &save); l && n < max; l = strtok_r(NULL, "\n", &save)) {
		struct hierarchy h;
		bool twice = false;

		if (!parse_line(l, &h))
			continue;
		for (size_t i = 0; i < n; i++)
			twice = twice || !strcmp(out[i].name, h.name);
		if (twice) {
			free(h.mount);
			free(h.name);
			continue;
		}
		out[n++] = h;
	}
	return n;
}

/* Another file system may lie over the mount point, which then is of no use. */
static bool visible(const struct hierarchy *h)
{
	struct statfs fs;

	return statfs(h->mount, &fs) == 0 &&
	       (unsigned long)fs.f_type == (h->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

/* Keep those of the first @n of @h that are visible; returns their number. */
static size_t drop_hidden(struct hierarchy *h, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (visible(&h[i])) {
			h[kept++] = h[i];
			continue;
		}
		free(h[i].mount);
		free(h[i].name);
	}
	return kept;
}

const struct hierarchy *hierarchies(size_t *n)
{
	if (!known) {
		auto_str struct str text = STR_INIT;

		if (file_read("/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL) == 0)
			nall = drop_hidden(
				all, hierarchies_parse(str_text(&text), all, HIERARCHIES_MAX));
		/* Early in a guest nothing is mounted yet: then look again. */
		known = nall > 0;
	}
	*n = nall;
	return all;
}

enum cgroup_layout cgroup_layout(void)
{
	size_t n, v2 = 0;
	const struct hierarchy *h = hierarchies(&n);

	for (size_t i = 0; i < n; i++)
		v2 += h[i].v2;
	if (n == 0)
		return CGROUP_NONE;
	return v2 == 0 ? CGROUP_LEGACY : v2 == n ? CGROUP_UNIFIED : CGROUP_HYBRID;
}

size_t cgroup_hierarchies(void)
{
	size_t n;

	hierarchies(&n);
	return n;
}

const char *cgroup_hierarchy_name(size_t i)
{
	return all[i].name;
}

const char *cgroup_hierarchy_mount(size_t i)
{
	return all[i].mount;
}

char *group_dir(const struct hierarchy *h, const struct cgroup *cg)
{
	return xasprintf("%s%s", h->mount, cg->path);
}

/* True if @name is one of the comma separated words of @list. */
static bool has_word(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p && *p; p = strchr(p, ',')) {
		if (*p == ',')
			p++;
		if (!strncmp(p, name, len) && (p[len] == ',' || p[len] == '\0'))
			return true;
	}
	return false;
}

static bool v2_has(const struct hierarchy *h, const char *controller)
{
	auto_free char *path = xasprintf("%s/cgroup.controllers", h->mount);
	auto_str struct str text = STR_INIT;

	if (file_read(path, 4096, &text, NULL) < 0)
		return false;
	for (char *p = text.data; p && *p; p++)
		if (*p == ' ' || *p == '\n')
			*p = ',';
	return has_word(str_text(&text), controller);
}

char *controller_file(const struct cgroup *cg, const char *controller, const char *file, bool *v2)
{
	size_t n;
	const struct hierarchy *h = hierarchies(&n);

	for (size_t i = 0; i < n; i++) {
		if (h[i].v2 ? v2_has(&h[i], controller) : has_word(h[i].name, controller)) {
			*v2 = h[i].v2;
			return xasprintf("%s%s/%s", h[i].mount, cg->path, file);
		}
	}
	return NULL;
}
