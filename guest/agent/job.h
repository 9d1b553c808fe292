/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that may block (a mount whose server does not answer) runs in a child
 * of the agent, in the agent's own namespaces, so that the loop goes on.
 */
#ifndef AGENT_JOB_H
#define AGENT_JOB_H

#include "base/err.h"
#include "base/loop.h"

/* Milliseconds; main() adds what devices may take (agent.hotplug_timeout). */
extern int job_limit_ms;

/* In the child, on its copy of the memory. 0 or -errno with @err. */
typedef int (*job_fn)(void *arg, struct err *err);

/* In the agent, when the child is done; @err is NULL on success. */
typedef void (*job_cb)(const struct err *err, void *arg);

/*
 * Run @fn, then @done (from the loop, also when it cannot even be started).
 * Past job_limit_ms the child is killed and the job failed with -ETIMEDOUT.
 */
void job_run(struct loop *loop, job_fn fn, job_cb done, void *arg);

/*
 * The loop has ended: kill all that is at work and fail it with -ECANCELED, and
 * what follows from that. A local agent leaves nobody behind.
 */
void job_close(struct loop *loop);

#endif
