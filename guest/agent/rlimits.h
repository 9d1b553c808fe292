/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_RLIMITS_H
#define AGENT_RLIMITS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "proto/oci.pb-c.h"

/* "RLIMIT_NOFILE" → the resource; -EINVAL for an unknown name. Pure. */
int rlimit_number(const char *type);

/*
 * Set the limits and the OOM score of @process on @pid. @strict: in a guest,
 * where nothing forbids it; otherwise a host's refusal to raise one is only
 * logged, since a local process has no more rights than its starter.
 */
int rlimits_apply(pid_t pid, const Grpc__Process *process, bool strict, struct err *err);

#endif
