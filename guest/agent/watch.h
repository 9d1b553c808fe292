/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes that a container can watch for changes although they come from a
 * shared directory, which tells of none: ConfigMaps, Secrets. The container
 * gets a copy, and every two seconds the copy follows its source.
 */
#ifndef AGENT_WATCH_H
#define AGENT_WATCH_H

#include "base/err.h"
#include "guest/agent/agent.h"

/* The most that is copied, as of the original; what is more is bound instead. */
#define WATCH_ENTRIES_MAX 16
#define WATCH_BYTES_MAX	  (1u << 20)

/*
 * Make @target, a directory or a file like @source, what @source is. New files
 * come first, then symbolic links, each at once, then what is gone goes, so
 * that Kubernetes' exchange of ..data holds for the copy too. The @first
 * time, @target is made, and past the limits @source is bound over it; later
 * -E2BIG. A @target that is such a bind stays. Blocks: for jobs.
 */
int watch_copy(const char *source, const char *target, bool first, struct err *err);

/* Repeat watch_copy() for @target from now on, until watch_remove(). */
void watch_add(struct agent *agent, const char *source, const char *target);
void watch_remove(const char *target);

#endif
