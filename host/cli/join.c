/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/join.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/str.h"
#include "host/sandbox/kind.h"

/* What a sandbox's containers may share, and what the kernel calls it. */
static const struct {
	const char *type, *file;
} kinds[] = {
	{ "network", "net" },
	{ "ipc", "ipc" },
	{ "uts", "uts" },
	{ "pid", "pid" },
};

/* A namespace that the container is to be in. */
struct wanted {
	const char *file; /* below /proc/PID/ns */
	struct stat ns;
};

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool look(const char *process, const char *file, struct stat *ns)
{
	auto_free char *path = xasprintf("/proc/%s/ns/%s", process, file);

	return stat(path, ns) == 0;
}

/* Those of @spec that have a path and are not our own; up to one of each kind. */
static int collect(const Grpc__Spec *spec, struct wanted *wanted, size_t *n, struct err *err)
{
	*n = 0;
	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = spec->linux->namespaces[i];
		struct wanted *w = &wanted[*n];
		struct stat own;

		if (!*ns->path)
			continue;
		if (stat(ns->path, &w->ns) < 0)
			return err_sys(err, errno, "linux.namespaces[%zu].path: %s", i, ns->path);
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			if (strcmp(ns->type, kinds[k].type))
				continue;
			w->file = kinds[k].file;
			if (!look("self", w->file, &own) || !same(&own, &w->ns))
				++*n;
			break;
		}
	}
	return 0;
}

static bool owns(const struct state_process *p, const struct wanted *wanted, size_t n)
{
	auto_free char *pid = xasprintf("%d", (int)p->pid);
	struct stat ns;

	if (strcmp(p->name, "standin") || !proc_alive(p->pid, p->start))
		return false;
	for (size_t i = 0; i < n; i++)
		if (look(pid, wanted[i].file, &ns) && same(&ns, &wanted[i].ns))
			return true;
	return false;
}

static bool has_owner(const struct sandbox_state *st, const struct wanted *wanted, size_t n)
{
	if (!state_shim_alive(st))
		return false;
	for (size_t i = 0; i < st->n_processes; i++)
		if (owns(&st->processes[i], wanted, n))
			return true;
	return false;
}

static int find_by_namespace(const char *root, const Grpc__Spec *spec, struct sandbox_state **found,
			     struct err *err)
{
	struct wanted wanted[ARRAY_SIZE(kinds)];
	auto_strv struct strv ids = { 0 };
	size_t n;
	int r = collect(spec, wanted, &n, err);

	if (r == 0 && n > 0)
		r = state_list(root, &ids, err);
	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		struct sandbox_state *st = NULL;

		/* One that went meanwhile, or cannot be read, is none to join. */
		if (state_load(root, ids.v[i], &st, NULL) < 0)
			continue;
		if (!has_owner(st, wanted, n)) {
			state_free(st);
			continue;
		}
		if (*found)
			r = err_set(err, EINVAL,
				    "linux.namespaces: they are of two sandboxes, %s and %s",
				    (*found)->id, st->id);
		else
			*found = take_ptr(st);
		state_free(st);
	}
	if (r < 0)
		state_free(take_ptr(*found));
	return r;
}

static int check(const struct sandbox_state *st, const char *id, struct err *err)
{
	if (state_shim_alive(st) && st->address)
		return 0;
	return err_set(err, ESRCH, "container %s: its sandbox %s has ended", id, st->id);
}

int join_find(const char *root, const char *id, const Grpc__Spec *spec, struct sandbox_state **st,
	      struct err *err)
{
	struct err missing = ERR_INIT;
	const char *sandbox;
	enum kind kind;
	int r = kind_of(spec, &kind, &sandbox, err);

	*st = NULL;
	if (r < 0)
		return r;
	if (kind == KIND_CONTAINER && strcmp(sandbox, id)) {
		r = state_load(root, sandbox, st, &missing);
		if (r == 0)
			r = check(*st, id, err);
		if (r != -ENOENT) {
			if (r < 0 && missing.code)
				*err = missing;
			if (r < 0)
				state_free(take_ptr(*st));
			return r;
		}
	}
	/* Also when the first of a pod was made without knowing of it. */
	r = find_by_namespace(root, spec, st, err);
	if (r == 0 && !*st && missing.code)
		r = err_set(err, ENOENT, "container %s: its sandbox %s does not exist", id,
			    sandbox);
	return r;
}
