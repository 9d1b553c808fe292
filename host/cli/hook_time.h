/* SPDX-License-Identifier: Apache-2.0 */
/* How long a container's hooks may take: so much longer a caller waits. */
#ifndef HOST_CLI_HOOK_TIME_H
#define HOST_CLI_HOOK_TIME_H

#include <stdint.h>

#include "host/hooks/hooks.h"
#include "host/sandbox/state.h"

/*
 * In milliseconds, of those of @kind of container @id, by the config.json of its bundle; 0
 * when that cannot be read any more.
 */
int64_t hook_time(struct sandbox_state *st, const char *id, enum hook_kind kind);

/* The same for making, starting and deleting a container of @spec. */
int64_t hook_time_create(const Grpc__Spec *spec);
int64_t hook_time_start(const Grpc__Spec *spec);
int64_t hook_time_delete(const Grpc__Spec *spec);

#endif
