/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One hook of the OCI runtime specification (config.md, "POSIX-platform Hooks"):
 * a program that is told a container's state on its standard input. It runs on the
 * caller's loop, which it never blocks, whatever it does with its streams.
 *
 * It leads a process group of its own, which is killed as a whole when its time is
 * over, when the hook is released, and when this process ends in any way. What it
 * leaves behind after a good end (a daemon that it started) is let be.
 *
 * SIGPIPE is ignored in this process, as a hook may end before it has read all.
 */
#ifndef HOST_HOOKS_HOOK_H
#define HOST_HOOKS_HOOK_H

#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"
#include "proto/oci.pb-c.h"

/* How long a hook may take that names no time. */
#define HOOK_LIMIT_MS 120000

/* How long a hook's end may take that was killed: then it is left to itself. */
#define HOOK_KILL_MS 2000

#define HOOK_NS_MAX 4

/* Where a hook runs. The descriptors are borrowed. */
struct hook_place {
	const char *cwd;     /* "/" when it is not there, or NULL */
	int ns[HOOK_NS_MAX]; /* namespaces to enter */
	size_t n_ns;
	int root; /* the root directory in them, or -1; entering a mount namespace
		     leads to its root, which may be above that of the runtime */
};

struct hook;

/* @err NULL: it ended with status 0. Called once, from the loop. */
typedef void (*hook_done)(const struct err *err, void *arg);

/*
 * Start @spec (borrowed) under the name @name, "hooks.prestart[0]", with @text (copied)
 * for its input. NULL and @err, which begins with name and path, when it cannot be run;
 * the code of every failure is -EIO, so that nobody takes what a hook lacks for a lack of
 * the container.
 */
struct hook *hook_start(struct loop *loop, const char *name, const Grpc__Hook *spec,
			const struct hook_place *place, const char *text, hook_done done, void *arg,
			struct err *err);

/* Milliseconds that @spec may take. */
int64_t hook_limit_ms(const Grpc__Hook *spec);

/* Release; one that still runs is killed, without a call of `done`. NULL is allowed. */
void hook_free(struct hook *hook);

#endif
