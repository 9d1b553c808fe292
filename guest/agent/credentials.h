/* SPDX-License-Identifier: Apache-2.0 */
/* Who a new process is: user, groups, capabilities, filter of its system calls. */
#ifndef AGENT_CREDENTIALS_H
#define AGENT_CREDENTIALS_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "guest/agent/caps.h"
#include "guest/agent/launch.h"
#include "guest/agent/user.h"

struct credentials {
	struct user user;
	char *home; /* from the container's accounts, or NULL */
	struct cap_sets caps;
	uint64_t spare; /* capabilities kept until the filter is loaded */
};

/* Look up what @l wants in the container's own files; inside of it. */
int credentials_find(const struct launch *l, struct credentials *c, struct err *err);

/* Become that user. */
int credentials_take(const struct launch *l, struct credentials *c, struct err *err);

/* Load the filter of system calls and drop what was kept for it: the last thing before exec. */
int credentials_seal(const struct launch *l, const struct credentials *c, struct err *err);

void credentials_done(struct credentials *c);

#endif
