/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that are told of a container's way: those of the specification
 * (OCI runtime-spec config.md, "POSIX-platform Hooks"), and as in Kata's agent
 * those in the directories prestart, poststart and poststop of the sandbox's
 * guest_hook_path.
 */
#ifndef AGENT_HOOKS_H
#define AGENT_HOOKS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "guest/agent/job.h"
#include "proto/oci.pb-c.h"

enum hooks_phase {
	HOOKS_CREATE, /* prestart and createRuntime: its namespaces are there, nothing else */
	HOOKS_CREATE_CONTAINER,
	HOOKS_START_CONTAINER,
	HOOKS_POSTSTART,
	HOOKS_POSTSTOP,
};

/*
 * What hooks need of @spec, copied: its hooks and annotations. Behind its hooks
 * come the executable regular files of @dir (may be NULL), by name, with their
 * name and the kind as arguments. NULL when there are no hooks. The caller frees
 * with grpc__spec__free_unpacked().
 */
Grpc__Spec *hooks_collect(const Grpc__Spec *spec, const char *dir);

/* The state of the specification (runtime.md) as JSON; the caller frees. Pure. */
char *hooks_state(const Grpc__Spec *hooks, const char *id, const char *status, pid_t pid);

/*
 * Run those of @phase in their order, each with @state on its standard input, in
 * the caller's view of the file system, until one fails or takes longer than its
 * timeout (without one: 10 s). @hooks may be NULL. One that has no environment gets @env, NULL:
 * a PATH. Blocks: for a child of the agent.
 */
int hooks_run(const Grpc__Spec *hooks, enum hooks_phase phase, const char *state,
	      const struct strv *env, struct err *err);

/* What those that the container's own child runs may take together; @hooks may be NULL. */
int64_t hooks_limit_ms(const Grpc__Spec *hooks);

/* As hooks_run() in a child, then @done from the loop; without any, @done is called at once. */
void hooks_start(struct loop *loop, const Grpc__Spec *hooks, enum hooks_phase phase, const char *id,
		 const char *state, job_cb done, void *arg);

#endif
