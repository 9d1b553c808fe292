/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/image/layers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"

/* A line of mountinfo, as proc(5) has it; the texts are borrowed of a copy of it. */
struct mount {
	char *at, *type, *options;
};

/* "\040" is a blank, and so on. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; to++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
		    p[3] >= '0' && p[3] <= '7') {
			*to = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
}

/* false: it is no such line. */
static bool parse(char *line, struct mount *m)
{
	char *fields = strstr(line, " - "), *save = NULL, *word = NULL;

	if (!fields)
		return false;
	*fields = '\0';
	fields += strlen(" - ");
	word = strtok_r(line, " ", &save);
	for (int i = 1; word && i < 5; i++)
		word = strtok_r(NULL, " ", &save);
	m->at = word;
	m->type = strtok_r(fields, " ", &save);
	(void)strtok_r(NULL, " ", &save); /* source */
	m->options = strtok_r(NULL, " ", &save);
	if (!m->at || !m->type || !m->options)
		return false;
	unescape(m->at);
	return true;
}

/* ---- an overlay's options -------------------------------------------------------------- */

/* Parts between colons; a backslash takes the meaning from what follows. */
static bool split(const char *value, struct strv *parts)
{
	auto_str struct str part = STR_INIT;

	for (const char *p = value;; p++) {
		if (*p == '\\' && p[1]) {
			str_putc(&part, *++p);
		} else if (*p == ':' || !*p) {
			/* "::" stands before layers that only have data for others. */
			if (part.len == 0)
				return false;
			strv_add(parts, str_text(&part));
			str_drop(&part, part.len);
		} else {
			str_putc(&part, *p);
		}
		if (!*p)
			return true;
	}
}

static bool add_option(char *option, struct layers *l)
{
	static const char *const kept[] = { "userxattr", "metacopy=on", "redirect_dir=on",
					    "redirect_dir=follow" };
	char *value = strchr(option, '=');

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (!strcmp(option, kept[i]))
			strv_add(&l->with, option);
	if (!value)
		return true;
	unescape(++value);
	if (str_starts(option, "lowerdir=") || str_starts(option, "lowerdir+="))
		return split(value, &l->lower);
	if (str_starts(option, "upperdir="))
		l->upper = xstrdup(value);
	/* Files whose content lies elsewhere still: the mounted directory has it. */
	return !str_starts(option, "datadir+=");
}

/* Paths may be relative to a directory above the mount point: an engine was there. */
static bool resolve(const char *base, struct layers *l)
{
	auto_free char *above = xstrdup(base);

	while (l->lower.v[0][0] != '/' || (l->upper && l->upper[0] != '/')) {
		auto_free char *first = path_join(above, l->lower.v[0]);
		struct stat st;

		if (stat(first, &st) == 0 && S_ISDIR(st.st_mode))
			break;
		if (!*above)
			return false;
		*strrchr(above, '/') = '\0';
	}
	for (size_t i = 0; i < l->lower.n; i++) {
		char *was = l->lower.v[i];
		struct stat st;

		if (was[0] != '/') {
			l->lower.v[i] = path_join(above, was);
			free(was);
		}
		if (stat(l->lower.v[i], &st) < 0 || !S_ISDIR(st.st_mode))
			return false;
	}
	if (l->upper && l->upper[0] != '/') {
		char *was = l->upper;

		l->upper = path_join(above, was);
		free(was);
	}
	return true;
}

static bool from_overlay(const struct mount *m, struct layers *l)
{
	char *save = NULL;
	struct stat st;

	for (char *o = strtok_r(m->options, ",", &save); o; o = strtok_r(NULL, ",", &save))
		if (!add_option(o, l))
			return false;
	if (l->lower.n == 0 || !resolve(m->at, l))
		return false;
	if (l->upper) {
		if (stat(l->upper, &st) < 0 || !S_ISDIR(st.st_mode))
			return false;
		l->beside = xstrdup(l->upper);
		if (strrchr(l->beside, '/') == l->beside)
			return false;
		*strrchr(l->beside, '/') = '\0';
	}
	l->overlay = true;
	return true;
}

/* ------------------------------------------------------------------------------------------ */

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/';
}

int layers_find(const char *mountinfo, const char *rootfs, struct layers *l, struct err *err)
{
	auto_free char *text = xstrdup(mountinfo), *path = path_real(rootfs, err);
	struct mount top = { .at = NULL };
	char *save = NULL;
	struct stat st;

	*l = (struct layers){ .upper = NULL };
	if (!path)
		return err->code;
	if (stat(path, &st) < 0)
		return err_sys(err, errno, "%s", rootfs);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "%s: is no directory", rootfs);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct mount m;

		if (!parse(line, &m))
			continue;
		/* The last one covers those before. */
		if (!strcmp(m.at, path)) {
			top = m;
			l->mounted_in = false;
		} else if (is_below(m.at, path)) {
			l->mounted_in = true;
		}
	}
	if (top.at && !strcmp(top.type, "overlay") && from_overlay(&top, l))
		return 0;
	strv_free(&l->lower);
	strv_free(&l->with);
	free(take_ptr(l->upper));
	free(take_ptr(l->beside));
	strv_add(&l->lower, path);
	return 0;
}

void layers_free(struct layers *l)
{
	strv_free(&l->lower);
	strv_free(&l->with);
	free(l->upper);
	free(l->beside);
	*l = (struct layers){ .upper = NULL };
}
