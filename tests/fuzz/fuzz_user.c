/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's own /etc/passwd and /etc/group, in one input: a name to look for, then
 * the one, then the other, each ended by a NUL.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "fuzz.h"
#include "guest/agent/user.h"

/* The text at *@p up to the next NUL, which is passed over; the input ends with one. */
static const char *take(const char **p, const char *end)
{
	const char *text = *p;

	*p = text < end ? text + strlen(text) + 1 : text;
	return text < end ? text : "";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xcalloc(1, size + 1), *home = NULL;
	const char *p = text, *end = text + size, *name, *passwd, *group;
	struct user u = { .groups = NULL };
	struct err err = ERR_INIT;
	gid_t gid;

	if (size > 0)
		memcpy(text, data, size);
	name = take(&p, end);
	passwd = take(&p, end);
	group = take(&p, end);
	if (user_find(passwd, group, name, &u, &err) == 0) {
		must(u.ngroups <= USER_GROUPS_MAX);
		home = user_home(passwd, u.uid);
	} else {
		must(err.code < 0 && *err_msg(&err));
	}
	user_done(&u);
	err_clear(&err);
	if (group_find(group, name, &gid, &err))
		must(err.code < 0 && *err_msg(&err));
	return 0;
}
