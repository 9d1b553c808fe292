/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sandbox mounts for its containers before they bind it: one mount
 * for each mount point, counted, released with its last holder.
 */
#ifndef AGENT_STORAGE_H
#define AGENT_STORAGE_H

#include "base/str.h"
#include "guest/agent/agent.h"
#include "guest/agent/job.h"
#include "proto/agent.pb-c.h"

/* The drivers that this agent has, NULL-terminated. */
extern const char *const storage_drivers[];

/*
 * Mount what of @list is not mounted yet and put the mount points into @held;
 * @cid is the container that they are for, NULL for the sandbox. On failure nothing of it is left mounted or held. @list and @held live until
 * @done, which comes from the loop. One operation runs at a time.
 */
void storage_hold(struct agent *agent, const char *cid, Grpc__Storage *const *list, size_t n,
		  struct strv *held, job_cb done, void *arg);

/* Whether something is mounted at @mount_point by this. */
bool storage_is_held(const struct agent *agent, const char *mount_point);

/*
 * Give back all of @held, which is empty afterwards, and unmount what nobody
 * holds; storages that are marked as shared stay until the sandbox ends.
 */
void storage_release(struct agent *agent, struct strv *held, job_cb done, void *arg);

#endif
