/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandboxes of this host, looked up on disk each time that somebody asks: nothing is
 * remembered that could be wrong.
 */
#ifndef HOST_MONITOR_SANDBOXES_H
#define HOST_MONITOR_SANDBOXES_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* Where runtime-rs keeps its own, which tell their metrics in the same way. */
#define SANDBOX_ROOT_RUST "/run/kata"

struct sandbox_entry {
	char *id;
	char *socket; /* its shim-monitor.sock */
	char *root;
	char *uid, *name, *namespace; /* of the pod; "" when nobody has told */
};

struct sandbox_list {
	struct sandbox_entry *v;
	size_t n;
};

/* Those below @roots that have a socket, sorted. A root that is not there has none. */
void sandboxes_list(const struct strv *roots, struct sandbox_list *list);
void sandboxes_free(struct sandbox_list *list);

/*
 * The socket of sandbox @id; the caller frees. NULL and @err: -EINVAL for what can be no ID,
 * -ENOENT when there is none.
 */
char *sandboxes_socket(const struct strv *roots, const char *id, struct err *err);

/*
 * The pod of @e, from the annotations with which containerd's CRI plug-in and CRI-O make
 * sandboxes, which are in its state.
 */
void sandboxes_name(struct sandbox_entry *e);

#endif
