/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/user.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

#define FIELDS_MAX 8

/* Numbers of users and groups end below (uid_t)-1, which means "none". */
static bool to_id(const char *s, uint32_t *id)
{
	long long v;

	if (str_to_ll(s, 0, UINT32_MAX - 1, &v) < 0)
		return false;
	*id = (uint32_t)v;
	return true;
}

/* Cut @line at its colons. Returns the number of fields. */
static size_t split(char *line, char *field[FIELDS_MAX])
{
	size_t n = 0;

	while (line && n < FIELDS_MAX) {
		field[n++] = line;
		line = strchr(line, ':');
		if (line)
			*line++ = '\0';
	}
	return n;
}

/* The next line of a table into *@line, which it replaces. False at the end. */
static bool next_line(const char **text, char **line)
{
	const char *p = *text, *end;

	free(*line);
	*line = NULL;
	if (!p || !*p)
		return false;
	end = strchr(p, '\n');
	*text = end ? end + 1 : NULL;
	*line = end ? xstrndup(p, (size_t)(end - p)) : xstrdup(p);
	return true;
}

void user_done(struct user *u)
{
	free(u->groups);
	u->groups = NULL;
	u->ngroups = 0;
}

void user_add_group(struct user *u, gid_t gid)
{
	for (size_t i = 0; i < u->ngroups; i++)
		if (u->groups[i] == gid)
			return;
	if (u->ngroups == USER_GROUPS_MAX)
		return;
	u->groups = xrealloc(u->groups, (u->ngroups + 1) * sizeof(*u->groups));
	u->groups[u->ngroups++] = gid;
}

char *user_home(const char *passwd, uid_t uid)
{
	auto_free char *line = NULL;

	while (next_line(&passwd, &line)) {
		char *f[FIELDS_MAX];
		size_t n = split(line, f);
		uint32_t id;

		if (n >= 6 && to_id(f[2], &id) && id == uid && f[5][0] == '/')
			return xstrdup(f[5]);
	}
	return NULL;
}

static bool lists(char *members, const char *name)
{
	char *save = NULL;

	for (char *m = strtok_r(members, ",", &save); m; m = strtok_r(NULL, ",", &save))
		if (!strcmp(m, name))
			return true;
	return false;
}

static void add_groups_of(const char *group, const char *name, struct user *u)
{
	auto_free char *line = NULL;

	while (next_line(&group, &line)) {
		char *f[FIELDS_MAX];
		uint32_t id;

		if (split(line, f) >= 4 && to_id(f[2], &id) && lists(f[3], name))
			user_add_group(u, id);
	}
}

int user_find(const char *passwd, const char *group, const char *name, struct user *u,
	      struct err *err)
{
	uint32_t number = 0, uid, gid;
	bool numeric = to_id(name, &number);
	auto_free char *line = NULL;

	while (next_line(&passwd, &line)) {
		char *f[FIELDS_MAX];

		if (split(line, f) < 4 || !to_id(f[2], &uid) || !to_id(f[3], &gid))
			continue;
		if (strcmp(f[0], name) && !(numeric && uid == number))
			continue;
		u->uid = uid;
		u->gid = gid;
		add_groups_of(group, f[0], u);
		return 0;
	}
	if (!numeric)
		return err_set(err, ENOENT, "no user \"%s\" in the container's /etc/passwd", name);
	u->uid = number;
	return 0;
}

int group_find(const char *group, const char *name, gid_t *gid, struct err *err)
{
	uint32_t id;
	auto_free char *line = NULL;

	while (next_line(&group, &line)) {
		char *f[FIELDS_MAX];

		if (split(line, f) >= 3 && !strcmp(f[0], name) && to_id(f[2], &id)) {
			*gid = id;
			return 0;
		}
	}
	if (!to_id(name, &id))
		return err_set(err, ENOENT, "no group \"%s\" in the container's /etc/group", name);
	*gid = id;
	return 0;
}
