/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/renew.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "host/cli/task_client.h"
#include "host/sandbox/kind.h"

/* As long as engines wait when they stop a container. */
#define GRACE_MS 10000
#define KILL_MS	 5000

bool renew_is_due(const struct sandbox_state *st, const char *id)
{
	if (strcmp(st->id, id) || st->n_containers == 0)
		return false;
	for (size_t i = 0; i < st->n_containers; i++)
		if (!strcmp(st->containers[i].id, id) ||
		    !kind_is_member(&st->containers[i].annotations, id))
			return false;
	return true;
}

/* Ask all at once, then wait for one after the other. What has ended already is none to ask. */
static void end_in_order(struct loop *loop, const struct sandbox_state *st)
{
	int64_t end = loop_now_ms() + GRACE_MS;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < st->n_containers; i++) {
			int64_t left = end - loop_now_ms();
			struct err why = ERR_INIT;
			int status;
			auto_task struct task *t =
				task_connect(loop, st->address, st->containers[i].id, &why);

			if (!t)
				return;
			if (pass == 0)
				(void)task_kill(t, SIGTERM, false, KILL_MS, &why);
			else if (left > 0)
				(void)task_wait(t, &status, left, &why);
		}
	}
}

int renew_make_room(struct sandbox_state *st, struct err *err)
{
	struct loop *loop = loop_new();

	if (!loop)
		return err_sys(err, errno, "cannot make an event loop");
	log_warn("sandbox %s: its first container is made anew: the %zu others in its machine end",
		 st->id, st->n_containers);
	if (st->address && state_shim_alive(st))
		end_in_order(loop, st);
	loop_free(loop);
	return state_clear(st, true, err);
}
