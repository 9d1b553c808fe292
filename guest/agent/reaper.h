/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All children of the agent are waited for here, since PID 1 also gets the
 * orphans of others. Nothing else in the agent may wait for a child.
 */
#ifndef AGENT_REAPER_H
#define AGENT_REAPER_H

#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"

/* @status as of waitpid(). The watch is removed before the call. */
typedef void (*reaper_cb)(pid_t pid, int status, void *arg);

int reaper_open(struct loop *loop, struct err *err);
void reaper_close(void);

/* Call @cb when the child @pid has ended; register before the loop runs again. */
void reaper_watch(pid_t pid, reaper_cb cb, void *arg);

#endif
