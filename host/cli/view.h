/* SPDX-License-Identifier: Apache-2.0 */
/* A container as `state` and `list` show it: what is on disk, and what the shim says now. */
#ifndef HOST_CLI_VIEW_H
#define HOST_CLI_VIEW_H

#include <json-c/json.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "host/sandbox/state.h"

struct view {
	char *id;
	char *bundle;
	char *rootfs;
	char *created; /* RFC 3339 */
	char *status;  /* OCI: creating, created, running, paused, stopped */
	char *owner;   /* the user that the state belongs to */
	pid_t pid;     /* 0 unless the container has started and not stopped */
	struct strv annotations;
};

/*
 * Look at container @id of the sandbox @st: "stopped" when the shim is dead; what
 * the shim answers within 2 s; else what was recorded last. Never fails: a shim
 * that lives and does not answer is warned of.
 */
void view_look(struct view *v, struct loop *loop, struct sandbox_state *st, const char *id);
void view_free(struct view *v);

/*
 * As JSON: the state of the OCI runtime specification with rootfs, created and
 * owner, which engines know from other runtimes. The caller puts it.
 */
json_object *view_json(const struct view *v);

#endif
