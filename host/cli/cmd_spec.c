/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/cli/cli.h"
#include "oci/spec.h"

static struct {
	const char *bundle;
	const char *cwd;
	const char *user;
	struct strv env;
	bool terminal, no_terminal, rootless;
} opt = { .bundle = "." };

static const struct flag flags[] = {
	{ "bundle", "b", FLAG_STRING, &opt.bundle, "DIR", "where to write it (default: here)" },
	{ "cwd", NULL, FLAG_STRING, &opt.cwd, "DIR", "the directory that COMMAND starts in" },
	{ "env", "e", FLAG_LIST, &opt.env, "NAME=VALUE",
	  "add to the environment; may be repeated" },
	{ "user", "u", FLAG_STRING, &opt.user, "UID[:GID]", "who COMMAND runs as (default: 0:0)" },
	{ "terminal", "t", FLAG_BOOL, &opt.terminal, NULL, "COMMAND gets a terminal" },
	{ "rootless", NULL, FLAG_BOOL, &opt.rootless, NULL,
	  "with a user namespace, whose root is who calls" },
	{ "no-terminal", NULL, FLAG_BOOL, &opt.no_terminal, NULL, "the default shell gets none" },
	{ 0 },
};

static void set_args(Grpc__Process *p, int argc, char **argv)
{
	for (size_t i = 0; i < p->n_args; i++)
		free(p->args[i]);
	free(p->args);
	p->n_args = (size_t)argc;
	p->args = xcalloc((size_t)argc, sizeof(*p->args));
	for (int i = 0; i < argc; i++)
		p->args[i] = xstrdup(argv[i]);
}

/* Add @setting, or replace the one of that name. */
static void set_env(Grpc__Process *p, const char *setting)
{
	size_t len = strcspn(setting, "=");

	for (size_t i = 0; i < p->n_env; i++) {
		if (strncmp(p->env[i], setting, len) == 0 && p->env[i][len] == '=') {
			free(p->env[i]);
			p->env[i] = xstrdup(setting);
			return;
		}
	}
	p->env = xrealloc(p->env, (p->n_env + 1) * sizeof(*p->env));
	p->env[p->n_env++] = xstrdup(setting);
}

static int set_user(Grpc__User *user, const char *text, struct err *err)
{
	const char *colon = strchrnul(text, ':');
	auto_free char *uid_text = xstrndup(text, (size_t)(colon - text));
	long long uid, gid = 0;

	if (str_to_ll(uid_text, 0, UINT32_MAX - 1, &uid) < 0 ||
	    (*colon && str_to_ll(colon + 1, 0, UINT32_MAX - 1, &gid) < 0))
		return err_set(err, EINVAL, "flag --user takes UID or UID:GID, not \"%s\"", text);
	user->uid = (uint32_t)uid;
	user->gid = (uint32_t)gid;
	return 0;
}

static Grpc__LinuxIDMapping **map_one(unsigned host)
{
	Grpc__LinuxIDMapping **list = xmalloc(sizeof(Grpc__LinuxIDMapping *));

	*list = xmalloc(sizeof(**list));
	grpc__linux_idmapping__init(*list);
	(*list)->hostid = host;
	(*list)->size = 1;
	return list;
}

/* As runc's: one user, and no group but its own for terminals. */
static void make_rootless(Grpc__Spec *spec)
{
	Grpc__Linux *l = spec->linux;
	Grpc__LinuxNamespace *ns = xmalloc(sizeof(*ns));

	grpc__linux_namespace__init(ns);
	ns->type = xstrdup("user");
	l->namespaces = xrealloc(l->namespaces, (l->n_namespaces + 1) * sizeof(*l->namespaces));
	l->namespaces[l->n_namespaces++] = ns;
	l->uidmappings = map_one(geteuid());
	l->n_uidmappings = 1;
	l->gidmappings = map_one(getegid());
	l->n_gidmappings = 1;
	for (size_t i = 0; i < spec->n_mounts; i++) {
		Grpc__Mount *m = spec->mounts[i];

		for (size_t k = m->n_options; strcmp(m->type, "devpts") == 0 && k-- > 0;) {
			if (strncmp(m->options[k], "gid=", 4) != 0)
				continue;
			free(m->options[k]);
			m->options[k] = m->options[--m->n_options];
		}
	}
}

static int adapt(Grpc__Spec *spec, int argc, char **argv, struct err *err)
{
	Grpc__Process *p = spec->process;

	/* Without a command as runc's: a shell on a terminal, and a root that cannot be written. */
	if (argc > 0) {
		set_args(p, argc, argv);
		p->terminal = false;
	} else {
		spec->root->readonly = true;
	}
	if (opt.terminal && opt.no_terminal)
		return err_set(err, EINVAL, "--terminal and --no-terminal exclude each other");
	if (opt.terminal || opt.no_terminal)
		p->terminal = opt.terminal;
	for (size_t i = 0; i < opt.env.n; i++)
		set_env(p, opt.env.v[i]);
	if (opt.rootless)
		make_rootless(spec);
	if (opt.cwd) {
		free(p->cwd);
		p->cwd = xstrdup(opt.cwd);
	}
	return opt.user ? set_user(p->user, opt.user, err) : 0;
}

/* As it will be read: what JSON cannot hold, such as arguments of wrong UTF-8, shows now. */
static int check_text(const char *text, struct err *err)
{
	Grpc__Spec *spec = NULL;
	int r = oci_spec_parse(text, strlen(text), "config.json", &spec, err);

	if (r < 0)
		return r;
	r = oci_spec_check(spec, err);
	grpc__spec__free_unpacked(spec, NULL);
	return r;
}

static int write_new(const char *path, const char *text, struct err *err)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int r;

	if (fd < 0 && errno == EEXIST)
		return err_set(err, EEXIST, "%s exists already; remove it first", path);
	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	r = fd_write_full(fd, text, strlen(text));
	if (r < 0) {
		unlink(path);
		return err_sys(err, r, "%s: cannot write", path);
	}
	return 0;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	auto_free char *path = path_join(opt.bundle, "config.json");
	auto_free char *text = NULL;
	Grpc__Spec *spec = oci_spec_default();
	int r = adapt(spec, argc, argv, err);

	(void)cli;
	if (r == 0) {
		text = oci_spec_to_json(spec);
		r = check_text(text, err);
	}
	grpc__spec__free_unpacked(spec, NULL);
	strv_free(&opt.env);
	return r < 0 ? r : write_new(path, text, err);
}

const struct command cmd_spec = {
	.name = "spec",
	.args = "[options] [--] [COMMAND ARGUMENT...]",
	.help = "write a config.json to start from",
	.more = "Without COMMAND as runc's: a shell on a terminal, with a root that cannot be written.\n"
		"COMMAND gets no terminal unless asked for, and may write.",
	.flags = flags,
	.max_args = -1,
	.run = run,
};
