/* SPDX-License-Identifier: Apache-2.0 */
/* A volume is given to the group that all containers of a pod are in. */
#ifndef AGENT_FS_GROUP_H
#define AGENT_FS_GROUP_H

#include <stdbool.h>

#include "base/err.h"
#include "proto/agent.pb-c.h"

/*
 * Give @path and all below it to the group of @g, and the group the rights
 * that the owner's files are worth: rw (r when @read_only), x and setgid on
 * directories. With OnRootMismatch nothing is done when @path itself is right
 * already. Symbolic links are neither changed nor followed. Blocks: for jobs.
 */
int fs_group_apply(const char *path, const Grpc__FSGroup *g, bool read_only, struct err *err);

#endif
