/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/group.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cgroup/cgroup.h"

#define POLL_MS	 10
#define GRACE_MS 500
#define LIMIT_MS 1000

struct group {
	struct sandbox_state *st;
	char *path; /* as the journal names it */
	struct cgroup *cg;
	struct strv doors;
	bool warned;

	/* While it is removed. */
	struct loop *loop;
	struct loop_source *timer;
	int64_t begun;
	group_done done;
	void *arg;
};

static bool is_refusal(int r)
{
	return r == -EROFS || r == -EACCES || r == -EPERM || r == -ENOENT || r == -EOPNOTSUPP ||
	       r == -ENOSPC || r == -EAGAIN;
}

static int make(struct group *g, struct err *err)
{
	struct cgroup *probe = cgroup_open(g->path);
	size_t others = cgroup_count(probe);
	int r;

	cgroup_free(probe);
	if (others > 0)
		return err_set(err, EBUSY,
			       "linux.cgroupsPath: %zu processes live in the control group %s "
			       "already",
			       others, g->path);
	state_note(&g->st->cgroups, g->path);
	r = state_save(g->st, err);
	if (r < 0)
		return r;
	r = cgroup_create(g->path, &g->cg, err);
	if (r == 0)
		cgroup_doors(g->cg, &g->doors);
	else
		state_forget(&g->st->cgroups, g->path);
	return r;
}

int group_make(struct sandbox_state *st, const char *cgroups_path, struct group **group,
	       struct err *err)
{
	struct group *g;
	char *path;
	int r;

	*group = NULL;
	if (!*cgroups_path)
		return 0;
	r = cgroup_host_path(cgroups_path, &path, err);
	if (r < 0) {
		struct err inner = *err;

		return err_set(err, r, "linux.%s", err_msg(&inner));
	}
	g = xcalloc(1, sizeof(*g));
	g->st = st;
	g->path = path;
	r = make(g, err);
	if (r == 0) {
		*group = g;
		return 0;
	}
	group_free(g);
	if (!is_refusal(r))
		return r;
	log_warn("sandbox %s: there is no control group for it: %s", st->id, err_msg(err));
	err_clear(err);
	return 0;
}

uint64_t group_room(const char *cgroups_path)
{
	auto_free char *path = NULL;
	uint64_t room = UINT64_MAX;
	char *end;

	if (!*cgroups_path || cgroup_host_path(cgroups_path, &path, NULL) < 0)
		return room;
	for (end = path + strlen(path); end > path; end = strrchr(path, '/')) {
		struct cgroup_stats stats = { 0 };
		struct cgroup *cg;

		*end = '\0';
		cg = cgroup_open(path);
		cgroup_read_stats(cg, &stats);
		cgroup_free(cg);
		if (stats.memory_limit > 0 && stats.memory_limit < room)
			room = stats.memory_limit;
	}
	/* Version 1 writes a very large number for none. */
	return room < INT64_MAX / 2 ? room : UINT64_MAX;
}

void group_add(struct group *g, pid_t pid)
{
	struct err err = ERR_INIT;

	if (!g || cgroup_attach(g->cg, pid, &err) == 0 || err.code == -ESRCH || g->warned)
		return;
	g->warned = true;
	log_warn("sandbox %s: process %d cannot be in its control group: %s", g->st->id, (int)pid,
		 err_msg(&err));
}

int group_enter(void *arg)
{
	const struct group *g = arg;

	for (size_t i = 0; g && i < g->doors.n; i++) {
		int fd = open(g->doors.v[i], O_WRONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (write(fd, "0", 1) < 0) {
			/* As said: group_add() tells. */
		}
		close(fd);
	}
	return 0;
}

/* ---- the end -------------------------------------------------------------------- */

static void look(void *arg)
{
	int64_t age;
	struct group *g = arg;
	struct err err = ERR_INIT;
	int r = cgroup_remove(g->cg, &err);

	g->timer = NULL;
	age = loop_now_ms() - g->begun;
	if (r == -EBUSY && age < LIMIT_MS) {
		if (age >= GRACE_MS)
			cgroup_signal(g->cg, SIGKILL);
		g->timer = loop_add_timer(g->loop, POLL_MS, look, g);
		return;
	}
	if (r == 0)
		state_forget(&g->st->cgroups, g->path);
	else
		err_wrap(&err, "control group");
	g->done(r < 0 ? &err : NULL, g->arg);
}

void group_remove(struct group *g, struct loop *loop, group_done done, void *arg)
{
	g->loop = loop;
	g->begun = loop_now_ms();
	g->done = done;
	g->arg = arg;
	g->timer = loop_defer(loop, look, g);
}

void group_free(struct group *g)
{
	if (!g)
		return;
	loop_remove(&g->timer);
	cgroup_free(g->cg);
	strv_free(&g->doors);
	free(g->path);
	free(g);
}
