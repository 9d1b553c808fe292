/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control group of the host that the sandbox's first container names by
 * linux.cgroupsPath: all processes that belong to the sandbox live there (but for the shim,
 * which has to survive it), so that whoever set it up can hold and measure the sandbox as
 * a whole. No limit is set here: the container's own act in the guest.
 *
 * Without a cgroupsPath there is none, and the machine runs where the shim does. So it
 * does, with a warning, where a group cannot be made or entered.
 */
#ifndef HOST_SANDBOX_GROUP_H
#define HOST_SANDBOX_GROUP_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "host/sandbox/state.h"

struct group;

/*
 * Make the group @cgroups_path ("": none, *@group is NULL); the journal in @st knows it
 * before. -EINVAL for a path that can be none, -EBUSY for a group that others live in,
 * which clearing up would kill.
 */
int group_make(struct sandbox_state *st, const char *cgroups_path, struct group **group,
	       struct err *err);

/*
 * The least memory, in bytes, that the group @cgroups_path or one above it may have;
 * UINT64_MAX without a limit, and for what is no path.
 */
uint64_t group_room(const char *cgroups_path);

/* Move a process of the host into it. What fails is a warning. NULL: nothing happens. */
void group_add(struct group *group, pid_t pid);

/*
 * The same for a process that enters by itself between fork and exec, with the group for
 * @arg; see vm_spec.enter. Always 0: group_add() tells what is wrong.
 */
int group_enter(void *arg);

/*
 * Remove it, when those in it have ended: what still lives half a second later is killed.
 * @done comes later, within 1 s; on failure the group stays in the journal.
 */
typedef void (*group_done)(const struct err *err, void *arg);
void group_remove(struct group *group, struct loop *loop, group_done done, void *arg);

/* Forget; the group stays. NULL is allowed. */
void group_free(struct group *group);

#endif
