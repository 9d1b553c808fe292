/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and groups of a container, from the text of its own /etc/passwd and
 * /etc/group (passwd(5), group(5)). Pure; the C library's lookups would load
 * code from the image.
 */
#ifndef AGENT_USER_H
#define AGENT_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define USER_GROUPS_MAX 1024

struct user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary; owned */
	size_t ngroups;
};

void user_done(struct user *u);

/* The home directory of @uid in @passwd, or NULL. The caller frees. */
char *user_home(const char *passwd, uid_t uid);

/*
 * Set @u to @name, a user's name or number of @passwd; its group is the one
 * written there (a number that is not listed keeps 0), its supplementary groups
 * are those of @group that list its name. -ENOENT for an unknown name.
 */
int user_find(const char *passwd, const char *group, const char *name, struct user *u,
	      struct err *err);

/* The group @name, a name or number. -ENOENT for an unknown name. */
int group_find(const char *group, const char *name, gid_t *gid, struct err *err);

/* Add a supplementary group, once. */
void user_add_group(struct user *u, gid_t gid);

#endif
