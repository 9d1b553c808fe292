/* SPDX-License-Identifier: Apache-2.0 */
/* What can be found of a sandbox whose state file cannot be read; see state.h. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "cgroup/cgroup.h"
#include "host/sandbox/state.h"
#include "oci/spec.h"

#define CMDLINE_MAX (256 << 10)
#define STAT_MAX    4096

/* The value of the argument "@name=…" among the NUL-separated @args; NULL: there is none. */
static const char *argument(const struct str *args, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = args->data; args->len && p < args->data + args->len;
	     p += strlen(p) + 1)
		if (!strncmp(p, name, n) && p[n] == '=')
			return p + n + 1;
	return NULL;
}

/* By its arguments, which are this sandbox's alone. */
static bool is_shim(const struct sandbox_state *st, const struct str *args)
{
	const char *id = argument(args, "-id"), *root = argument(args, "-root");

	return id && root && !strcmp(id, st->id) && !strcmp(root, st->root);
}

/* What stands for the first container: its only argument without a dash is that ID, the last. */
static bool is_standin(const struct sandbox_state *st, const struct str *args)
{
	static const char name[] = "kata-standin";
	size_t n = strlen(st->id) + 1, first = args->len ? strlen(args->data) : 0;

	return first >= sizeof(name) - 1 && args->len > first + n &&
	       !strcmp(args->data + first - (sizeof(name) - 1), name) &&
	       !memcmp(args->data + args->len - n, st->id, n) && !args->data[args->len - n - 1];
}

static bool read_args(pid_t pid, struct str *args)
{
	auto_free char *path = xasprintf("/proc/%d/cmdline", (int)pid);

	return file_read(path, CMDLINE_MAX, args, NULL) == 0;
}

static pid_t parent_of(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)pid);
	auto_str struct str stat = STR_INIT;
	const char *after;

	/* "PID (NAME) STATE PARENT …" */
	if (file_read(path, STAT_MAX, &stat, NULL) < 0 ||
	    !(after = strrchr(str_text(&stat), ')')) || strlen(after) < 4)
		return 0;
	return (pid_t)strtol(after + 4, NULL, 10);
}

/* What a shim forks has its arguments, and ends after it, by itself. */
static bool is_forked(const struct sandbox_state *st, pid_t pid)
{
	pid_t parent = parent_of(pid);
	auto_str struct str args = STR_INIT;

	return parent > 0 && read_args(parent, &args) && is_shim(st, &args);
}

static bool shim_answers(const struct sandbox_state *st)
{
	auto_free char *path = xasprintf("%s/%s/" SANDBOX_SOCKET, st->root, st->id);
	auto_close int fd = unix_connect(path, true, NULL);

	return fd >= 0;
}

static void find_processes(struct sandbox_state *st)
{
	auto_closedir DIR *proc = opendir("/proc");
	bool lives = shim_answers(st);
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		auto_str struct str args = STR_INIT;
		const char *bundle;

		if (pid <= 0 || !read_args(pid, &args))
			continue;
		if (is_standin(st, &args))
			state_add_process(st, "standin", pid);
		if (!is_shim(st, &args))
			continue;
		state_add_process(st, lives && !is_forked(st, pid) ? "shim" : "child", pid);
		bundle = argument(&args, "-bundle");
		if (bundle && !st->bundle)
			st->bundle = xstrdup(bundle);
	}
}

/* Its first container is in the shim's bundle, with the control group of all. */
static void read_bundle(struct sandbox_state *st)
{
	struct state_container *c;
	Grpc__Spec *spec = NULL;
	char *group = NULL;

	if (!st->bundle || oci_spec_load(st->bundle, &spec, NULL) < 0)
		return;
	c = state_add_container(st, st->id);
	c->bundle = xstrdup(st->bundle);
	if (spec->linux && spec->linux->cgroupspath[0] &&
	    cgroup_host_path(spec->linux->cgroupspath, &group, NULL) == 0)
		state_note(&st->cgroups, group);
	free(group);
	grpc__spec__free_unpacked(spec, NULL);
}

int state_salvage(const char *root, const char *id, struct sandbox_state **out, struct err *err)
{
	auto_free char *of = state_sandbox_of(root, id);
	struct sandbox_state *st;

	if (of)
		return err_set(err, EINVAL,
			       "container %s is in the sandbox %s, whose state cannot be read", id,
			       of);
	st = state_new(root, id);
	find_processes(st);
	read_bundle(st);
	strv_addf(&st->dirs, "%s/%s", SANDBOX_VM_DIR, id);
	strv_addf(&st->dirs, "%s/%s", SANDBOX_SHARE, id);
	*out = st;
	return 0;
}
