/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/state.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/proc.h"
#include "host/sandbox/state_json.h"

#define ID_MIN 2
#define ID_MAX 128
/* A pod's worth of containers with long annotations is far below. */
#define STATE_MAX (16u << 20)

static bool id_is_valid(const char *id, size_t least)
{
	size_t n = strlen(id);

	if (n < least || n > ID_MAX || !isalnum((unsigned char)id[0]))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("_.-", id[i]))
			return false;
	return true;
}

int state_check_id(const char *id, struct err *err)
{
	if (id && id_is_valid(id, ID_MIN))
		return 0;
	return err_set(err, EINVAL,
		       "invalid container ID '%.160s': it must be %d to %d letters, digits, '_', "
		       "'.' or '-', and begin with a letter or digit",
		       id ? id : "", ID_MIN, ID_MAX);
}

bool state_process_id_ok(const char *id)
{
	return id_is_valid(id, 1);
}

struct sandbox_state *state_new(const char *root, const char *id)
{
	struct sandbox_state *st = xcalloc(1, sizeof(*st));

	st->root = xstrdup(root ? root : SANDBOX_ROOT);
	st->id = xstrdup(id);
	return st;
}

static void free_container(struct state_container *c)
{
	free(c->id);
	free(c->bundle);
	free(c->rootfs);
	free(c->status);
	free(c->created);
	strv_free(&c->annotations);
}

void state_free(struct sandbox_state *st)
{
	if (!st)
		return;
	for (size_t i = 0; i < st->n_containers; i++)
		free_container(&st->containers[i]);
	for (size_t i = 0; i < st->n_processes; i++)
		free(st->processes[i].name);
	free(st->containers);
	free(st->processes);
	strv_free(&st->dirs);
	strv_free(&st->mounts);
	strv_free(&st->cgroups);
	strv_free(&st->network);
	free(st->netns);
	free(st->netns_id);
	free(st->id);
	free(st->root);
	free(st->namespace);
	free(st->bundle);
	free(st->address);
	free(st->hypervisor);
	free(st->config_path);
	free(st);
}

static int write_in(const char *dir, const struct sandbox_state *st, struct err *err)
{
	auto_free char *path = path_join(dir, "state.json");
	auto_free char *text = state_to_json(st);

	return file_replace(path, text, strlen(text), 0600, err);
}

/*
 * The directory is renamed into its place with the file in it: nobody sees a
 * sandbox without a state, and of two that race for an ID one wins. Where the
 * shim's socket is there already, the same holds for the link to the file.
 */
static int put_in_place(const char *tmp, const char *dir)
{
	auto_free char *from = path_join(tmp, "state.json"), *to = path_join(dir, "state.json");

	if (rename(tmp, dir) == 0)
		return 0;
	if (errno != EEXIST && errno != ENOTEMPTY)
		return -errno;
	if (link(from, to) < 0)
		return -errno;
	return tree_remove(tmp, NULL);
}

int state_create(const struct sandbox_state *st, struct err *err)
{
	auto_free char *name = xasprintf(".%s.%d", st->id, (int)getpid());
	auto_free char *tmp = path_join(st->root, name), *dir = path_join(st->root, st->id);
	int r = state_check_id(st->id, err);

	if (r < 0)
		return r;
	r = dir_make(st->root, 0700, err);
	if (r < 0)
		return r;
	if (mkdir(tmp, 0700) < 0)
		return err_sys(err, errno, "%s: cannot make directory", tmp);
	r = write_in(tmp, st, err);
	if (r == 0) {
		r = put_in_place(tmp, dir);
		if (r == -EEXIST || r == -ENOTDIR)
			r = err_set(err, EEXIST, "container %s already exists", st->id);
		else if (r < 0)
			err_sys(err, r, "%s: cannot make directory", dir);
	}
	if (r < 0)
		(void)tree_remove(tmp, NULL); /* @err tells already why it is of no use */
	return r;
}

int state_save(const struct sandbox_state *st, struct err *err)
{
	auto_free char *dir = path_join(st->root, st->id);

	return write_in(dir, st, err);
}

int state_load(const char *root, const char *id, struct sandbox_state **out, struct err *err)
{
	auto_free char *dir = NULL, *path = NULL, *sandbox = NULL;
	auto_str struct str text = STR_INIT;
	struct sandbox_state *st;
	int r = state_check_id(id, err);

	if (r < 0)
		return r;
	sandbox = state_sandbox_of(root, id);
	if (!sandbox)
		sandbox = xstrdup(id);
	dir = path_join(root ? root : SANDBOX_ROOT, sandbox);
	path = path_join(dir, "state.json");
	r = file_read(path, STATE_MAX, &text, err);
	if (r == -ENOENT || r == -ENOTDIR)
		return err_set(err, ENOENT, "container %s does not exist", id);
	if (r < 0)
		return r;
	st = state_new(root, sandbox);
	r = state_from_json(str_text(&text), text.len, st, err);
	if (r < 0) {
		state_free(st);
		return err_wrap(err, "%s", path);
	}
	*out = st;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int state_list(const char *root, struct strv *ids, struct err *err)
{
	const char *path = root ? root : SANDBOX_ROOT;
	auto_closedir DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, errno, "%s", path);
	while ((e = readdir(dir))) {
		auto_free char *file = xasprintf("%s/%s/state.json", path, e->d_name);

		/* Members are found in their sandbox. */
		if (e->d_type != DT_LNK && id_is_valid(e->d_name, ID_MIN) &&
		    access(file, F_OK) == 0)
			strv_add(ids, e->d_name);
	}
	if (ids->n > 1)
		qsort(ids->v, ids->n, sizeof(*ids->v), compare_names);
	return 0;
}

struct state_container *state_find_container(struct sandbox_state *st, const char *id)
{
	for (size_t i = 0; i < st->n_containers; i++)
		if (!strcmp(st->containers[i].id, id))
			return &st->containers[i];
	return NULL;
}

struct state_container *state_add_container(struct sandbox_state *st, const char *id)
{
	struct state_container *c;

	st->containers = xrealloc(st->containers, (st->n_containers + 1) * sizeof(*c));
	c = &st->containers[st->n_containers++];
	*c = (struct state_container){ .id = xstrdup(id) };
	return c;
}

void state_remove_container(struct sandbox_state *st, const char *id)
{
	struct state_container *c = state_find_container(st, id);

	if (!c)
		return;
	free_container(c);
	*c = st->containers[--st->n_containers];
}

void state_add_process(struct sandbox_state *st, const char *name, pid_t pid)
{
	struct state_process *p;

	st->processes = xrealloc(st->processes, (st->n_processes + 1) * sizeof(*p));
	p = &st->processes[st->n_processes++];
	*p = (struct state_process){ xstrdup(name), pid, proc_start_time(pid) };
}

void state_remove_process(struct sandbox_state *st, pid_t pid)
{
	for (size_t i = 0; i < st->n_processes; i++) {
		if (st->processes[i].pid != pid)
			continue;
		free(st->processes[i].name);
		st->processes[i] = st->processes[--st->n_processes];
		return;
	}
}

static size_t find_entry(const struct strv *list, const char *entry)
{
	size_t i = 0;

	while (i < list->n && strcmp(list->v[i], entry))
		i++;
	return i;
}

void state_note(struct strv *list, const char *entry)
{
	if (find_entry(list, entry) == list->n)
		strv_add(list, entry);
}

void state_forget(struct strv *list, const char *entry)
{
	size_t i = find_entry(list, entry);

	if (i == list->n)
		return;
	free(list->v[i]);
	/* With the NULL behind the last one. */
	memmove(&list->v[i], &list->v[i + 1], (list->n - i) * sizeof(*list->v));
	list->n--;
}

bool state_shim_alive(const struct sandbox_state *st)
{
	for (size_t i = 0; i < st->n_processes; i++) {
		const struct state_process *p = &st->processes[i];

		if (!strcmp(p->name, "shim") && proc_alive(p->pid, p->start))
			return true;
	}
	return false;
}
