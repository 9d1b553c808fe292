/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cgroup/internal.h"

#define PROCS_MAX (4u << 20)

/* Parents that this process made; they go when they are empty. */
static struct strv made;

static void forget_made(const char *dir)
{
	for (size_t i = 0; i < made.n; i++) {
		if (strcmp(made.v[i], dir))
			continue;
		free(made.v[i]);
		made.v[i] = made.v[--made.n];
		made.v[made.n] = NULL;
		return;
	}
}

static bool was_made(const char *dir)
{
	for (size_t i = 0; i < made.n; i++)
		if (!strcmp(made.v[i], dir))
			return true;
	return false;
}

/* A version 1 cpuset starts empty and takes no process until it has both. */
static void inherit_cpuset(const char *dir)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_free char *mine = path_join(dir, files[i]);
		auto_free char *parent = xasprintf("%s/../%s", dir, files[i]);
		auto_str struct str have = STR_INIT, text = STR_INIT;

		if (file_read(mine, 4096, &have, NULL) < 0 || have.len > 1)
			continue;
		/* On failure attaching says what is wrong. */
		if (file_read(parent, 4096, &text, NULL) == 0 && text.len > 1)
			(void)file_write_knob(mine, text.data, text.len, NULL);
	}
}

/*
 * Version 2: let the children of @dir have controllers. One at a time, since
 * one that cannot be had must not keep the others away; a limit that lacks its
 * controller fails by name later.
 */
static void enable_controllers(const char *dir)
{
	static const char *const wanted[] = { "+cpu",	 "+memory",  "+pids", "+io",
					      "+cpuset", "+hugetlb", "+rdma" };
	auto_free char *knob = path_join(dir, "cgroup.subtree_control");

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		(void)file_write_knob(knob, wanted[i], strlen(wanted[i]), NULL);
}

static int make_in(const struct hierarchy *h, const char *path, struct err *err)
{
	auto_free char *dir = xasprintf("%s%s", h->mount, path);
	size_t root = strlen(h->mount);

	for (char *p = dir + root + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (h->v2) {
			char *slash = strrchr(dir, '/');

			*slash = '\0';
			enable_controllers(dir);
			*slash = '/';
		}
		if (mkdir(dir, 0755) == 0) {
			if (c != '\0')
				strv_add(&made, dir);
		} else if (errno != EEXIST) {
			return err_sys(err, errno, "%s", dir);
		}
		if (!h->v2 && strstr(h->name, "cpuset"))
			inherit_cpuset(dir);
		if (c == '\0')
			return 0;
		*p = c;
	}
}

struct cgroup *cgroup_open(const char *path)
{
	struct cgroup *cg = xcalloc(1, sizeof(*cg));

	cg->path = xstrdup(path);
	cg->device_program = -1;
	return cg;
}

int cgroup_create(const char *path, struct cgroup **cg, struct err *err)
{
	size_t n;
	const struct hierarchy *h = hierarchies(&n);
	struct cgroup *new;

	if (n == 0)
		return err_set(err, ENOENT, "no cgroup hierarchy is mounted");
	new = cgroup_open(path);
	for (size_t i = 0; i < n; i++) {
		int r = make_in(&h[i], path, err);

		if (r < 0) {
			(void)cgroup_remove(new, NULL); /* the first failure is the one to tell */
			cgroup_free(new);
			return r;
		}
	}
	*cg = new;
	return 0;
}

void cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	close_fd(&cg->device_program);
	free(cg->path);
	free(cg);
}

static int remove_one(int parent, const char *name, void *arg)
{
	(void)arg;
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return -errno;
}

static void remove_parents(const struct hierarchy *h, const char *path)
{
	auto_free char *dir = xasprintf("%s%s", h->mount, path);
	char *slash;

	while ((slash = strrchr(dir, '/')) && slash > dir + strlen(h->mount)) {
		*slash = '\0';
		if (!was_made(dir) || rmdir(dir) < 0)
			return;
		forget_made(dir);
	}
}

int cgroup_remove(struct cgroup *cg, struct err *err)
{
	size_t n;
	const struct hierarchy *h = hierarchies(&n);
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		auto_free char *dir = group_dir(&h[i], cg);
		int r = walk_groups(dir, remove_one, NULL);

		if (r == 0)
			remove_parents(&h[i], cg->path);
		else if (first == 0)
			first = err_sys(err, r, "%s", dir);
	}
	return first;
}

int cgroup_attach(struct cgroup *cg, pid_t pid, struct err *err)
{
	size_t n;
	const struct hierarchy *h = hierarchies(&n);
	char text[24];
	int len = snprintf(text, sizeof(text), "%d", (int)pid);

	for (size_t i = 0; i < n; i++) {
		auto_free char *path = xasprintf("%s%s/cgroup.procs", h[i].mount, cg->path);
		int r = file_write_knob(path, text, (size_t)len, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* cgroup.procs shows 0 for a process of another pid namespace: never signal that. */
static void each_process(int parent, const char *name, void (*fn)(pid_t pid, void *arg), void *arg)
{
	auto_free char *path = walk_file(parent, name, "cgroup.procs");
	auto_str struct str text = STR_INIT;
	char *save = NULL;

	if (file_read(path, PROCS_MAX, &text, NULL) < 0 || text.len == 0)
		return;
	for (char *l = strtok_r(text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		long pid = strtol(l, NULL, 10);

		if (pid > 0)
			fn((pid_t)pid, arg);
	}
}

void cgroup_doors(const struct cgroup *cg, struct strv *files)
{
	size_t n;
	const struct hierarchy *h = hierarchies(&n);

	for (size_t i = 0; i < n; i++)
		strv_addf(files, "%s%s/cgroup.procs", h[i].mount, cg->path);
}

static int count_one(int parent, const char *name, void *arg)
{
	auto_free char *path = walk_file(parent, name, "cgroup.procs");
	auto_str struct str text = STR_INIT;
	size_t *count = arg;

	if (file_read(path, PROCS_MAX, &text, NULL) < 0)
		return 0;
	for (size_t i = 0; i < text.len; i++)
		*count += text.data[i] == '\n';
	return 0;
}

size_t cgroup_count(const struct cgroup *cg)
{
	size_t n, most = 0;
	const struct hierarchy *h = hierarchies(&n);

	for (size_t i = 0; i < n; i++) {
		auto_free char *dir = group_dir(&h[i], cg);
		size_t count = 0;

		walk_groups(dir, count_one, &count);
		most = count > most ? count : most;
	}
	return most;
}

struct signal_arg {
	int signo;
	bool found;
};

static void signal_process(pid_t pid, void *arg)
{
	struct signal_arg *sig = arg;

	sig->found = true;
	/* One that is gone by now is what was wanted. */
	if (sig->signo)
		(void)kill(pid, sig->signo);
}

static int signal_one(int parent, const char *name, void *arg)
{
	each_process(parent, name, signal_process, arg);
	return 0;
}

struct pid_list {
	pid_t *v;
	size_t n;
};

static void add_process(pid_t pid, void *arg)
{
	struct pid_list *l = arg;

	/* The room doubles at each power of two. */
	if ((l->n & (l->n - 1)) == 0)
		l->v = xrealloc(l->v, (l->n ? 2 * l->n : 1) * sizeof(*l->v));
	l->v[l->n++] = pid;
}

static int list_one(int parent, const char *name, void *arg)
{
	each_process(parent, name, add_process, arg);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return *(const pid_t *)a < *(const pid_t *)b ? -1 : *(const pid_t *)a > *(const pid_t *)b;
}

/* The hierarchy to look for processes in: any will do, they are in all. */
static const struct hierarchy *one_hierarchy(void)
{
	size_t n;
	const struct hierarchy *h = hierarchies(&n);

	for (size_t i = 0; i < n; i++)
		if (h[i].v2)
			return &h[i];
	return n > 0 ? &h[0] : NULL;
}

size_t cgroup_processes(struct cgroup *cg, pid_t **pids)
{
	const struct hierarchy *h = one_hierarchy();
	struct pid_list list = { NULL, 0 };
	auto_free char *dir = h ? group_dir(h, cg) : NULL;

	if (dir)
		walk_groups(dir, list_one, &list);
	if (list.n > 1)
		qsort(list.v, list.n, sizeof(*list.v), compare);
	*pids = list.v;
	return list.n;
}

/* Version 1 delivers even SIGKILL only to processes that are not frozen. */
static int thaw_one(int parent, const char *name, void *arg)
{
	auto_free char *knob = walk_file(parent, name, "freezer.state");

	(void)arg;
	(void)file_write_knob(knob, "THAWED", 6, NULL);
	return 0;
}

static void thaw_all(struct cgroup *cg)
{
	bool v2;
	auto_free char *dir = controller_file(cg, "freezer", "", &v2);

	if (!dir || v2)
		return;
	dir[strlen(dir) - 1] = '\0'; /* it ends with "/" */
	walk_groups(dir, thaw_one, NULL);
}

void cgroup_signal(struct cgroup *cg, int signo)
{
	const struct hierarchy *h = one_hierarchy();
	struct signal_arg arg = { .signo = signo };
	auto_free char *dir = NULL, *knob = NULL;

	if (!h)
		return;
	dir = group_dir(h, cg);
	knob = path_join(dir, "cgroup.kill"); /* since Linux 5.14 */
	if (!h->v2 || signo != SIGKILL || file_write_knob(knob, "1", 1, NULL) < 0)
		walk_groups(dir, signal_one, &arg);
	if (signo == SIGKILL)
		thaw_all(cg);
}

bool cgroup_populated(struct cgroup *cg)
{
	const struct hierarchy *h = one_hierarchy();
	auto_str struct str text = STR_INIT;
	struct signal_arg arg = { .signo = 0 };
	auto_free char *dir = NULL, *events = NULL;

	if (!h)
		return false;
	dir = group_dir(h, cg);
	events = path_join(dir, "cgroup.events");
	if (h->v2 && file_read(events, 4096, &text, NULL) == 0)
		return keyed_value(str_text(&text), "populated") != 0;
	walk_groups(dir, signal_one, &arg);
	return arg.found;
}

int cgroup_freeze(struct cgroup *cg, bool frozen, struct err *err)
{
	bool v2;
	auto_free char *v1 = controller_file(cg, "freezer", "freezer.state", &v2);
	const struct hierarchy *h = one_hierarchy();
	auto_free char *knob = NULL;

	if (v1)
		return file_write_knob(v1, frozen ? "FROZEN" : "THAWED", 6, err);
	if (!h || !h->v2)
		return err_set(err, ENOENT, "%s: no hierarchy can freeze", cg->path);
	knob = xasprintf("%s%s/cgroup.freeze", h->mount, cg->path);
	return file_write_knob(knob, frozen ? "1" : "0", 1, err);
}

bool cgroup_frozen(struct cgroup *cg)
{
	bool v2;
	auto_free char *v1 = controller_file(cg, "freezer", "freezer.state", &v2);
	const struct hierarchy *h = one_hierarchy();
	auto_str struct str text = STR_INIT;
	auto_free char *events = NULL;

	if (v1)
		return file_read(v1, 64, &text, NULL) == 0 && str_starts(str_text(&text), "FROZEN");
	if (!h || !h->v2)
		return false;
	events = xasprintf("%s%s/cgroup.events", h->mount, cg->path);
	return file_read(events, 4096, &text, NULL) == 0 &&
	       keyed_value(str_text(&text), "frozen") != 0;
}
