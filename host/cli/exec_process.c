/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/exec_process.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/cli/read_input.h"
#include "oci/spec.h"

static int load(const char *path, Grpc__Process **process, struct err *err)
{
	auto_str struct str text = STR_INIT;
	int r = read_input(path, OCI_CONFIG_MAX, &text, err);

	if (r == 0)
		r = oci_process_parse(str_text(&text), text.len, input_name(path), process, err);
	if (r == 0)
		r = oci_process_check(*process, err);
	return r;
}

/* ---- from flags ------------------------------------------------------------- */

static void add(char ***list, size_t *n, const char *text)
{
	*list = xrealloc(*list, (*n + 1) * sizeof(**list));
	(*list)[(*n)++] = xstrdup(text);
}

static void clear(char ***list, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		free((*list)[i]);
	free(*list);
	*list = NULL;
	*n = 0;
}

/* A message's string may be protobuf-c's own empty one. */
static void set(char **field, const char *text)
{
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = xstrdup(text);
}

static int parse_id(const char *flag, const char *text, uint32_t *id, struct err *err)
{
	long long v;

	/* The largest number means nobody. */
	if (str_to_ll(text, 0, UINT32_MAX - 1, &v) < 0)
		return err_set(err, EINVAL, "flag --%s: \"%s\" is no number of a user or group",
			       flag, text);
	*id = (uint32_t)v;
	return 0;
}

static Grpc__User *user_of(Grpc__Process *p)
{
	if (!p->user) {
		p->user = xcalloc(1, sizeof(*p->user));
		grpc__user__init(p->user);
	}
	return p->user;
}

/* "UID" or "UID:GID"; without a group that of the container's own process stays. */
static int set_user(Grpc__Process *p, const char *text, struct err *err)
{
	auto_free char *uid = xstrdup(text);
	char *gid = strchr(uid, ':');
	int r;

	if (gid)
		*gid++ = '\0';
	r = parse_id("user", uid, &user_of(p)->uid, err);
	if (r == 0 && gid)
		r = parse_id("user", gid, &user_of(p)->gid, err);
	set(&user_of(p)->username, "");
	return r;
}

static int add_gids(Grpc__Process *p, const struct strv *gids, struct err *err)
{
	Grpc__User *u = user_of(p);
	int r = 0;

	for (size_t i = 0; r == 0 && i < gids->n; i++) {
		u->additionalgids = xrealloc(u->additionalgids, (u->n_additionalgids + 1) *
									sizeof(*u->additionalgids));
		r = parse_id("additional-gids", gids->v[i], &u->additionalgids[u->n_additionalgids],
			     err);
		u->n_additionalgids += r == 0;
	}
	return r;
}

static int add_caps(Grpc__Process *p, const struct strv *caps, struct err *err)
{
	Grpc__LinuxCapabilities *c = p->capabilities;

	if (caps->n > 0 && !c) {
		c = p->capabilities = xcalloc(1, sizeof(*c));
		grpc__linux_capabilities__init(c);
	}
	for (size_t i = 0; i < caps->n; i++) {
		auto_free char *name = xasprintf(
			"%s%s", strncasecmp(caps->v[i], "CAP_", 4) ? "CAP_" : "", caps->v[i]);

		for (char *s = name; *s; s++) {
			*s = (char)toupper((unsigned char)*s);
			if (!isupper((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '_')
				return err_set(err, EINVAL, "flag --cap: \"%s\" is no capability",
					       caps->v[i]);
		}
		add(&c->bounding, &c->n_bounding, name);
		add(&c->effective, &c->n_effective, name);
		add(&c->permitted, &c->n_permitted, name);
		/* As runc: the kernel keeps those that the container's inheritable ones have. */
		if (c->n_inheritable > 0)
			add(&c->ambient, &c->n_ambient, name);
	}
	return 0;
}

static int change(Grpc__Process *p, const struct exec_options *opt, int argc, char **args,
		  struct err *err)
{
	int r = 0;

	clear(&p->args, &p->n_args);
	for (int i = 0; i < argc; i++)
		add(&p->args, &p->n_args, args[i]);
	for (size_t i = 0; i < opt->env.n; i++) {
		if (opt->env.v[i][0] == '=' || !strchr(opt->env.v[i], '='))
			return err_set(err, EINVAL, "flag --env: \"%s\" is not NAME=VALUE",
				       opt->env.v[i]);
		add(&p->env, &p->n_env, opt->env.v[i]);
	}
	if (opt->cwd && opt->cwd[0] != '/')
		return err_set(err, EINVAL, "flag --cwd: \"%s\" is no absolute path", opt->cwd);
	if (opt->cwd)
		set(&p->cwd, opt->cwd);
	if (opt->apparmor)
		set(&p->apparmorprofile, opt->apparmor);
	if (opt->label)
		set(&p->selinuxlabel, opt->label);
	if (opt->no_new_privs)
		p->nonewprivileges = true;
	/* The container's own terminal is not this one's affair. */
	p->terminal = opt->tty;
	if (opt->user)
		r = set_user(p, opt->user, err);
	if (r == 0)
		r = add_gids(p, &opt->gids, err);
	return r < 0 ? r : add_caps(p, &opt->caps, err);
}

static int from_flags(const struct exec_options *opt, const char *bundle, int argc, char **args,
		      Grpc__Process **process, struct err *err)
{
	Grpc__Spec *spec = NULL;
	int r = oci_spec_load(bundle, &spec, err);

	if (r < 0)
		return r;
	*process = take_ptr(spec->process);
	grpc__spec__free_unpacked(spec, NULL);
	r = change(*process, opt, argc, args, err);
	return r < 0 ? r : oci_process_check(*process, err);
}

int exec_process(const struct exec_options *opt, const char *bundle, int argc, char **args,
		 Grpc__Process **process, struct err *err)
{
	int r;

	*process = NULL;
	r = opt->process ? load(opt->process, process, err) :
			   from_flags(opt, bundle, argc, args, process, err);
	if (r < 0 && *process) {
		grpc__process__free_unpacked(*process, NULL);
		*process = NULL;
	}
	return r;
}
