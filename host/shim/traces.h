/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shim leaves on disk beside the sandbox's own state: in <root>/<id> its
 * sockets and its log, in the bundle, for containerd and for monitors, `address`,
 * `monitor_address` and `shim.pid`.
 */
#ifndef HOST_SHIM_TRACES_H
#define HOST_SHIM_TRACES_H

#include <sys/types.h>

#include "base/err.h"
#include "host/shim/shim.h"

/*
 * Make <root>/<id> with a socket in it that listens, *@listener: nobody sees it
 * without. One that a shim left that died before it wrote a state is
 * replaced, and no other. -EEXIST: "container <id> already exists".
 */
int traces_claim(const struct shim_options *opt, int *listener, struct err *err);

/*
 * Write the bundle's files. A bundle that cannot be written to does without
 * them: containerd owns its own, others are the user's.
 */
void traces_write_address(const struct shim_options *opt, pid_t pid);

/*
 * Remove all of it. What the sandbox could not undo is in its state file: with
 * that the directory stays, for `delete`, and only the socket goes.
 */
int traces_remove(const struct shim_options *opt, struct err *err);

#endif
