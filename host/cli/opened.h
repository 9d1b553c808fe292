/* SPDX-License-Identifier: Apache-2.0 */
/* A container that a command speaks to: its state on disk, and its shim. */
#ifndef HOST_CLI_OPENED_H
#define HOST_CLI_OPENED_H

#include "host/cli/cli.h"
#include "host/cli/task_client.h"
#include "host/sandbox/state.h"

struct opened {
	struct sandbox_state *st;
	struct loop *loop;
	struct task *task;
};

/*
 * Find container @id and connect to its shim. -EINVAL for what is no ID, -ENOENT
 * "container <id> does not exist", -ESRCH "container <id> is not running" when its shim
 * has gone. On failure nothing is open.
 */
int opened_open(struct opened *o, const struct cli *cli, const char *id, struct err *err);

/* Any state, repeatedly. */
void opened_close(struct opened *o);
#define auto_opened __attribute__((cleanup(opened_close)))

#endif
