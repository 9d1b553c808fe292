/* SPDX-License-Identifier: Apache-2.0 */
/* The ID mappings of user namespaces: user_namespaces(7). */
#ifndef AGENT_USERNS_H
#define AGENT_USERNS_H

#include <sys/types.h>

#include "base/err.h"
#include "proto/agent.pb-c.h"

/* Borrowed. */
struct userns_map {
	Grpc__LinuxIDMapping *const *uids, *const *gids;
	size_t n_uids, n_gids;
};

/* Set the mappings of @pid, the first process of a new user namespace. */
int userns_write(pid_t pid, const struct userns_map *map, struct err *err);

/*
 * A descriptor of a new user namespace with these mappings and nobody in it. Makes a child and
 * waits for it, which has nothing to do but to end.
 */
int userns_make(const struct userns_map *map, struct err *err);

#endif
