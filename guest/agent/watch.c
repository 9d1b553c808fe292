/* SPDX-License-Identifier: Apache-2.0 */
/* Which copies follow their sources, and when. */
#include "guest/agent/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "guest/agent/job.h"

#define ROUND_MS    2000
#define WATCHES_MAX 4096 /* and a page of the results below */

struct watch {
	struct list link;
	char *source, *target;
	size_t number; /* its place in the round under way */
};

static struct {
	struct agent *agent;
	struct list all; /* struct watch; unused while agent is NULL */
	bool pending;	 /* a round is under way or due */
	uint8_t *full;	 /* shared with the job: which have become too large */
} watcher;

static void next_round(void);

static void drop(struct watch *w)
{
	list_del(&w->link);
	free(w->source);
	free(w->target);
	free(w);
}

static int copy_all(void *arg, struct err *err)
{
	struct list *it;

	(void)arg;
	(void)err;
	list_for_each(it, &watcher.all) {
		const struct watch *w = container_of(it, struct watch, link);

		/* A source that is gone for a moment is tried again in the next round. */
		if (w->number && watch_copy(w->source, w->target, false, NULL) == -E2BIG)
			watcher.full[w->number] = 1;
	}
	return 0;
}

static void on_copied(const struct err *err, void *arg)
{
	struct list *it, *tmp;

	(void)arg;
	if (err)
		log_warn("copies of volumes: %s, ignoring", err_msg(err));
	list_for_each_safe(it, tmp, &watcher.all) {
		struct watch *w = container_of(it, struct watch, link);

		if (!watcher.full[w->number])
			continue;
		log_warn("%s has become too large to be followed", w->source);
		drop(w);
	}
	watcher.pending = false;
	next_round();
}

static void on_round(void *arg)
{
	struct list *it;
	size_t n = 0;

	(void)arg;
	memset(watcher.full, 0, WATCHES_MAX);
	list_for_each(it, &watcher.all) {
		struct watch *w = container_of(it, struct watch, link);

		w->number = n + 1 < WATCHES_MAX ? ++n : 0;
	}
	if (n > 0) {
		job_run(watcher.agent->loop, copy_all, on_copied, NULL);
		return;
	}
	watcher.pending = false; /* nothing is left to follow */
	munmap(watcher.full, WATCHES_MAX);
	watcher.full = NULL;
}

static void next_round(void)
{
	if (watcher.pending)
		return;
	if (!watcher.full) {
		void *p = mmap(NULL, WATCHES_MAX, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED) {
			log_error("volumes are not followed: %s", strerror(errno));
			return;
		}
		watcher.full = p;
	}
	watcher.pending = true;
	loop_add_timer(watcher.agent->loop, ROUND_MS, on_round, NULL);
}

void watch_add(struct agent *agent, const char *source, const char *target)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	if (!watcher.agent)
		list_init(&watcher.all);
	watcher.agent = agent;
	w->source = xstrdup(source);
	w->target = xstrdup(target);
	list_add_tail(&watcher.all, &w->link);
	next_round();
}

void watch_remove(const char *target)
{
	struct list *it, *tmp;

	if (!watcher.agent)
		return;
	list_for_each_safe(it, tmp, &watcher.all) {
		struct watch *w = container_of(it, struct watch, link);

		if (!strcmp(w->target, target))
			drop(w);
	}
}
