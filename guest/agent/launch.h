/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a process of a container: the agent clones itself, the child makes
 * its surroundings and reports over the pair of sync.h. All that the child
 * needs is in the memory that it inherits.
 */
#ifndef AGENT_LAUNCH_H
#define AGENT_LAUNCH_H

#include <stdbool.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "base/err.h"
#include "guest/agent/namespaces.h"
#include "proto/agent.pb-c.h"

struct passfd;
struct seccomp_filter;

struct launch {
	const Grpc__Spec *spec;		     /* NULL: a further process of a container */
	const Grpc__Process *process;	     /* never NULL */
	const Grpc__StringUser *string_user; /* NULL, or names to look up in the image */
	struct ns_plan ns;
	const struct seccomp_filter *seccomp; /* NULL: none */
	const Grpc__Spec *hooks;	      /* of hooks_collect(), or NULL */
	const char *id;			      /* of the container, for them */
	bool hold;			      /* the child waits for process_go() */
	int personality;		      /* PER_*; -1: as it is */
	const char *cpus;		      /* the processors for it; NULL: as it is */
	bool userns;			      /* the container has a user namespace of its own */
	bool timens;			      /* the same for time */
	bool guest;			      /* the kernel is the sandbox's own */
	int init_pidfd; /* a further process: the container's first one (borrowed); else -1 */
	int *sources;	/* of sources_open(); the child renumbers its own copy */
	int stdio[3];	/* the child's ends (borrowed); -1: none, or the terminal */
	struct passfd *streams; /* what process_new() connects them to and takes over */
};

/*
 * Clone the child. It waits for GO. Returns its pid and in *@sync our end of
 * the pair (non-blocking, owned by the caller), or -errno.
 */
pid_t launch_clone(const struct launch *l, int *sync, struct err *err);

/* What the child does (child.c). @sync is its end. */
noreturn void child_main(const struct launch *l, int sync);

#endif
