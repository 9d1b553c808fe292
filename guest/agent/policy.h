/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which requests the agent carries out. Of the language of policies (Rego) it
 * knows what the original's own allow-all policy is made of: a package line,
 * imports, and `default NAME := true` or false for the name of a request. All
 * else is refused, because a rule that is not understood must not be left out.
 */
#ifndef AGENT_POLICY_H
#define AGENT_POLICY_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Replace the policy by @text. A request that it does not name is denied, as
 * by the original; with AllowRequestsFailingPolicy none is, which is how a policy
 * is tried out. -EOPNOTSUPP for a rule of another kind, naming its line, and
 * -EINVAL for a text without any; the policy then stays as it was.
 */
int policy_set(const char *text, struct err *err);

/* As policy_set(), with the text of the file @path. */
int policy_load(const char *path, struct err *err);

/* Whether the request ("CopyFileRequest") is allowed. All are without a policy. */
bool policy_allows(const char *request);

/* Back to no policy. */
void policy_done(void);

#endif
