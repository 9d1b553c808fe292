/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/reaper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"

struct watch {
	struct list link;
	pid_t pid;
	reaper_cb cb;
	void *arg;
};

static struct list watches = LIST_INIT(watches);
static struct loop_source *source;

static void reaped(pid_t pid, int status)
{
	struct list *it;

	list_for_each(it, &watches) {
		struct watch *w = container_of(it, struct watch, link);
		struct watch copy = *w;

		if (w->pid != pid)
			continue;
		list_del(&w->link);
		free(w);
		copy.cb(pid, status, copy.arg);
		return;
	}
	log_debug("orphan %d ended", (int)pid);
}

static void on_sigchld(const struct signalfd_siginfo *info, void *arg)
{
	int status;
	pid_t pid;

	(void)info; /* one signal stands for many ends */
	(void)arg;
	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		reaped(pid, status);
}

int reaper_open(struct loop *loop, struct err *err)
{
	source = loop_add_signal(loop, SIGCHLD, on_sigchld, NULL);
	return source ? 0 : err_sys(err, errno, "signalfd");
}

void reaper_close(void)
{
	loop_remove(&source);
}

void reaper_watch(pid_t pid, reaper_cb cb, void *arg)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->pid = pid;
	w->cb = cb;
	w->arg = arg;
	list_add_tail(&watches, &w->link);
}
