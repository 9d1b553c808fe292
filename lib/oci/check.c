/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "oci/spec.h"

/* uname(2) */
#define NAME_LEN_MAX 64

/* include/linux/kdev_t.h: 12 bits and 20. */
#define MAJOR_MAX 0xfff
#define MINOR_MAX 0xfffff

static bool is_one_of(const char *s, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(s, *names) == 0)
			return true;
	return false;
}

/* "MAJOR.MINOR.PATCH", maybe with "-pre" or "+build": semver 2.0. */
static bool is_version_1(const char *s)
{
	int minor, patch, len = 0;

	if (strncmp(s, "1.", 2) != 0 || !isdigit((unsigned char)s[2]))
		return false;
	if (sscanf(s, "1.%9d.%9d%n", &minor, &patch, &len) < 2 || len == 0 || patch < 0)
		return false;
	return s[len] == '\0' || ((s[len] == '-' || s[len] == '+') && s[len + 1]);
}

static int check_rlimits(const Grpc__Process *p, struct err *err)
{
	static const char *const types[] = {
		"RLIMIT_AS",
		"RLIMIT_CORE",
		"RLIMIT_CPU",
		"RLIMIT_DATA",
		"RLIMIT_FSIZE",
		"RLIMIT_LOCKS",
		"RLIMIT_MEMLOCK",
		"RLIMIT_MSGQUEUE",
		"RLIMIT_NICE",
		"RLIMIT_NOFILE",
		"RLIMIT_NPROC",
		"RLIMIT_RSS",
		"RLIMIT_RTPRIO",
		"RLIMIT_RTTIME",
		"RLIMIT_SIGPENDING",
		"RLIMIT_STACK",
		NULL,
	};

	for (size_t i = 0; i < p->n_rlimits; i++) {
		const Grpc__POSIXRlimit *l = p->rlimits[i];

		if (!is_one_of(l->type, types))
			return err_set(err, EINVAL, "process.rlimits[%zu].type: \"%s\" is no limit",
				       i, l->type);
		if (l->soft > l->hard)
			return err_set(err, EINVAL,
				       "process.rlimits[%zu].soft: must not be above hard", i);
		for (size_t k = 0; k < i; k++)
			if (strcmp(p->rlimits[k]->type, l->type) == 0)
				return err_set(err, EINVAL,
					       "process.rlimits[%zu].type: %s is there twice", i,
					       l->type);
	}
	return 0;
}

/* The last number is the kernel's "do not change": who asks for it would stay root. */
static int check_user(const Grpc__User *u, struct err *err)
{
	if (u->uid == UINT32_MAX)
		return err_set(err, EINVAL, "process.user.uid: %u is no user", u->uid);
	if (u->gid == UINT32_MAX)
		return err_set(err, EINVAL, "process.user.gid: %u is no group", u->gid);
	for (size_t i = 0; i < u->n_additionalgids; i++)
		if (u->additionalgids[i] == UINT32_MAX)
			return err_set(err, EINVAL,
				       "process.user.additionalGids[%zu]: %u is no group", i,
				       u->additionalgids[i]);
	return 0;
}

int oci_process_check(const Grpc__Process *p, struct err *err)
{
	int r;

	if (p->n_args == 0)
		return err_set(err, EINVAL, "process.args: must not be empty");
	if (!p->args[0][0])
		return err_set(err, EINVAL, "process.args[0]: must not be empty");
	if (!p->cwd[0])
		return err_set(err, EINVAL, "process.cwd: is missing");
	if (p->cwd[0] != '/')
		return err_set(err, EINVAL, "process.cwd: must be an absolute path, not \"%s\"",
			       p->cwd);
	for (size_t i = 0; i < p->n_env; i++)
		if (p->env[i][0] == '=' || !strchr(p->env[i], '='))
			return err_set(err, EINVAL,
				       "process.env[%zu]: must be NAME=VALUE, not \"%s\"", i,
				       p->env[i]);
	r = p->user ? check_user(p->user, err) : 0;
	if (r < 0)
		return r;
	if (p->oomscoreadj < -1000 || p->oomscoreadj > 1000)
		return err_set(err, EINVAL,
			       "process.oomScoreAdj: must be between -1000 and 1000, not %lld",
			       (long long)p->oomscoreadj);
	return check_rlimits(p, err);
}

static int check_hooks(const char *kind, Grpc__Hook *const *hooks, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (hooks[i]->path[0] != '/')
			return err_set(err, EINVAL,
				       "hooks.%s[%zu].path: must be an absolute path, not \"%s\"",
				       kind, i, hooks[i]->path);
		/* 0 is what is read when there is none. */
		if (hooks[i]->timeout < 0)
			return err_set(err, EINVAL,
				       "hooks.%s[%zu].timeout: must be above 0, not %lld", kind, i,
				       (long long)hooks[i]->timeout);
	}
	return 0;
}

static int check_all_hooks(const Grpc__Hooks *h, struct err *err)
{
	int r;

	if ((r = check_hooks("prestart", h->prestart, h->n_prestart, err)) < 0 ||
	    (r = check_hooks("createRuntime", h->createruntime, h->n_createruntime, err)) < 0 ||
	    (r = check_hooks("createContainer", h->createcontainer, h->n_createcontainer, err)) <
		    0 ||
	    (r = check_hooks("startContainer", h->startcontainer, h->n_startcontainer, err)) < 0 ||
	    (r = check_hooks("poststart", h->poststart, h->n_poststart, err)) < 0)
		return r;
	return check_hooks("poststop", h->poststop, h->n_poststop, err);
}

static int check_namespaces(const Grpc__Linux *l, struct err *err)
{
	static const char *const types[] = { "pid",  "network", "mount", "ipc", "uts",
					     "user", "cgroup",	"time",	 NULL };

	for (size_t i = 0; i < l->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = l->namespaces[i];

		if (!is_one_of(ns->type, types))
			return err_set(err, EINVAL,
				       "linux.namespaces[%zu].type: \"%s\" is no namespace", i,
				       ns->type);
		if (ns->path[0] && ns->path[0] != '/')
			return err_set(err, EINVAL,
				       "linux.namespaces[%zu].path: must be an absolute path, not "
				       "\"%s\"",
				       i, ns->path);
		for (size_t k = 0; k < i; k++)
			if (strcmp(l->namespaces[k]->type, ns->type) == 0)
				return err_set(err, EINVAL,
					       "linux.namespaces[%zu].type: \"%s\" is there twice",
					       i, ns->type);
	}
	return 0;
}

static int check_devices(const Grpc__Linux *l, struct err *err)
{
	static const char *const types[] = { "c", "b", "u", "p", NULL };
	static const char *const rules[] = { "", "a", "c", "b", NULL };
	const Grpc__LinuxResources *res = l->resources;

	for (size_t i = 0; i < l->n_devices; i++) {
		if (l->devices[i]->path[0] != '/')
			return err_set(err, EINVAL,
				       "linux.devices[%zu].path: must be an absolute path, not "
				       "\"%s\"",
				       i, l->devices[i]->path);
		if (!is_one_of(l->devices[i]->type, types))
			return err_set(err, EINVAL,
				       "linux.devices[%zu].type: must be c, b, u or p, not \"%s\"",
				       i, l->devices[i]->type);
		/* A pipe has no number; the kernel has no larger ones, and cuts them. */
		if (l->devices[i]->type[0] != 'p' &&
		    (l->devices[i]->major < 0 || l->devices[i]->major > MAJOR_MAX ||
		     l->devices[i]->minor < 0 || l->devices[i]->minor > MINOR_MAX))
			return err_set(err, EINVAL,
				       "linux.devices[%zu]: no device has the number %" PRId64
				       ":%" PRId64,
				       i, l->devices[i]->major, l->devices[i]->minor);
	}
	for (size_t i = 0; res && i < res->n_devices; i++) {
		const Grpc__LinuxDeviceCgroup *d = res->devices[i];

		if (!is_one_of(d->type, rules))
			return err_set(err, EINVAL,
				       "linux.resources.devices[%zu].type: must be a, b or c, not "
				       "\"%s\"",
				       i, d->type);
		if (d->access[strspn(d->access, "rwm")])
			return err_set(err, EINVAL,
				       "linux.resources.devices[%zu].access: must be of r, w and "
				       "m, not \"%s\"",
				       i, d->access);
	}
	return 0;
}

static int check_linux(const Grpc__Linux *l, struct err *err)
{
	static const char *const propagations[] = { "",	      "private",    "rprivate",
						    "shared", "rshared",    "slave",
						    "rslave", "unbindable", "runbindable",
						    NULL };
	int r = check_namespaces(l, err);

	if (r < 0)
		return r;
	if (!is_one_of(l->rootfspropagation, propagations))
		return err_set(err, EINVAL, "linux.rootfsPropagation: \"%s\" is no propagation",
			       l->rootfspropagation);
	return check_devices(l, err);
}

static bool has_namespace(const Grpc__Spec *spec, const char *type)
{
	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++)
		if (strcmp(spec->linux->namespaces[i]->type, type) == 0)
			return true;
	return false;
}

static int check_names(const Grpc__Spec *spec, struct err *err)
{
	if (spec->hostname[0] && !has_namespace(spec, "uts"))
		return err_set(err, EINVAL,
			       "hostname: needs a namespace of type \"uts\" in linux.namespaces");
	if (strlen(spec->hostname) > NAME_LEN_MAX)
		return err_set(err, EINVAL, "hostname: is longer than %d bytes", NAME_LEN_MAX);
	if (strlen(spec->domainname) > NAME_LEN_MAX)
		return err_set(err, EINVAL, "domainname: is longer than %d bytes", NAME_LEN_MAX);
	return 0;
}

static int check_mounts(const Grpc__Spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const Grpc__Mount *m = spec->mounts[i];

		/* A relative one is from the root, as in the specification's 1.0. */
		if (!m->destination[0])
			return err_set(err, EINVAL, "mounts[%zu].destination: is missing", i);
		if (oci_mount_is_bind(m) && !m->source[0])
			return err_set(err, EINVAL,
				       "mounts[%zu].source: is missing, and nothing can be bound "
				       "to %s",
				       i, m->destination);
	}
	return 0;
}

int oci_spec_check(const Grpc__Spec *spec, struct err *err)
{
	int r;

	if (!spec->version[0])
		return err_set(err, EINVAL, "ociVersion: is missing");
	if (!is_version_1(spec->version))
		return err_set(err, EINVAL, "ociVersion: must be a version 1.x.y, not \"%s\"",
			       spec->version);
	if (!spec->process)
		return err_set(err, EINVAL, "process: is missing");
	r = oci_process_check(spec->process, err);
	if (r < 0)
		return r;
	if (!spec->root)
		return err_set(err, EINVAL, "root: is missing");
	if (!spec->root->path[0])
		return err_set(err, EINVAL, "root.path: is missing");
	r = check_names(spec, err);
	if (r == 0)
		r = check_mounts(spec, err);
	if (r == 0 && spec->hooks)
		r = check_all_hooks(spec->hooks, err);
	if (r < 0)
		return r;
	return spec->linux ? check_linux(spec->linux, err) : 0;
}
