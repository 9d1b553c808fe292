/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of the guest's image that do a part of the agent's work. */
#ifndef AGENT_HELPER_H
#define AGENT_HELPER_H

#include "base/err.h"

/*
 * Run argv to its end, at most @limit_ms; a name without a slash is looked for
 * in the usual directories. @in is its input, @out gets its output; -1:
 * /dev/null. Returns 0 when it ended with status 0; -ENOENT when there is no
 * such program; -EIO with the last line that it wrote to its standard error;
 * -ETIMEDOUT after killing it. Blocks: for jobs.
 */
int helper_run(const char *const *argv, int in, int out, int limit_ms, struct err *err);

#endif
