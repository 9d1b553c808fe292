/* SPDX-License-Identifier: Apache-2.0 */
/* What the program can do. Each returns 0, or -errno and @err for main() to tell. */
#ifndef HOST_SHIM_ACTIONS_H
#define HOST_SHIM_ACTIONS_H

#include "base/err.h"
#include "host/shim/cmdline.h"

/*
 * `start`: check the bundle, start the process that serves, and print its
 * address when it does; for a further container of a pod, the address of the
 * pod's. On failure nothing is left.
 */
int action_start(const struct cmdline *cl, struct err *err);

/*
 * `delete`: clear up after a shim that has gone, and print a DeleteResponse.
 * For an ID that nobody knows there is nothing to clear up.
 */
int action_delete(const struct cmdline *cl, struct err *err);

/* No action: be the sandbox until it ends. */
int action_serve(const struct cmdline *cl, struct err *err);

/* -info: write a containerd.types.RuntimeInfo. */
int action_info(struct err *err);

/* Check -id and -namespace, which every action needs. */
int action_check(const struct cmdline *cl, struct err *err);

/* The bundle, absolute; the caller frees. NULL and @err. */
char *action_bundle(const struct cmdline *cl, struct err *err);

#endif
