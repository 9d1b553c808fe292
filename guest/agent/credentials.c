/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/credentials.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "guest/agent/seccomp.h"

#define ACCOUNTS_MAX (4u << 20)

static void read_accounts(const char *path, struct str *text)
{
	/* An image without the file, or with nonsense in its place, has no accounts. */
	if (file_read(path, ACCOUNTS_MAX, text, NULL) < 0)
		str_free(text);
}

/* The user that the specification's numbers or the request's names say. */
static int find_user(const struct launch *l, const char *passwd, const char *group, struct user *u,
		     struct err *err)
{
	const Grpc__StringUser *s = l->string_user;
	const Grpc__User *n = l->process->user;
	int r = 0;

	if (n) {
		u->uid = n->uid;
		u->gid = n->gid;
		for (size_t i = 0; i < n->n_additionalgids; i++)
			user_add_group(u, n->additionalgids[i]);
	}
	if (!s)
		return 0;
	if (*s->uid)
		r = user_find(passwd, group, s->uid, u, err);
	if (r == 0 && *s->gid)
		r = group_find(group, s->gid, &u->gid, err);
	for (size_t i = 0; r == 0 && i < s->n_additionalgids; i++) {
		gid_t gid;

		r = group_find(group, s->additionalgids[i], &gid, err);
		if (r == 0)
			user_add_group(u, gid);
	}
	return r;
}

int credentials_find(const struct launch *l, struct credentials *c, struct err *err)
{
	auto_str struct str passwd = STR_INIT, group = STR_INIT;
	int r;

	read_accounts("/etc/passwd", &passwd);
	read_accounts("/etc/group", &group);
	r = find_user(l, str_text(&passwd), str_text(&group), &c->user, err);
	if (r == 0)
		c->home = user_home(str_text(&passwd), c->user.uid);
	return r;
}

int credentials_take(const struct launch *l, struct credentials *c, struct err *err)
{
	const Grpc__LinuxCapabilities *caps = l->process->capabilities;
	const Grpc__LinuxCapabilities none = GRPC__LINUX_CAPABILITIES__INIT;
	const struct user *u = &c->user;
	int last = cap_last(), r;
	const char *unknown;

	/* To the kernel this number means "do not change": who asks for it would stay root. */
	if (u->uid == (uid_t)-1 || u->gid == (gid_t)-1)
		return err_set(err, EINVAL, "user %u, group %u: no such", u->uid, u->gid);
	cap_sets_parse(caps ? caps : &none, last, &c->caps, &unknown);
	r = cap_bound(&c->caps, last, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0)
		return err_sys(err, errno, "keep capabilities");
	if (setgroups(u->ngroups, u->groups) < 0)
		return err_sys(err, errno, "set additional groups");
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return err_sys(err, errno, "set group %u", u->gid);
	if (setresuid(u->uid, u->uid, u->uid) < 0)
		return err_sys(err, errno, "set user %u", u->uid);
	if (prctl(PR_SET_KEEPCAPS, 0) < 0)
		return err_sys(err, errno, "keep capabilities");
	/* Without no_new_privs only this one may filter itself. */
	if (l->seccomp && !l->process->nonewprivileges)
		c->spare = UINT64_C(1) << CAP_SYS_ADMIN;
	r = cap_apply(&c->caps, last, c->spare, err);
	if (r < 0)
		return r;
	if (l->process->nonewprivileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, errno, "no_new_privs");
	return 0;
}

int credentials_seal(const struct launch *l, const struct credentials *c, struct err *err)
{
	int r;

	if (!l->seccomp)
		return 0;
	/* Behind the filter there is as little as can be: it need not allow what we do. */
	r = c->spare ? cap_raise(&c->caps, c->spare, err) : 0;
	if (r == 0)
		r = seccomp_load(l->seccomp, err);
	return r == 0 && c->spare ? cap_settle(&c->caps, err) : r;
}

void credentials_done(struct credentials *c)
{
	user_done(&c->user);
	free(c->home);
	c->home = NULL;
}
