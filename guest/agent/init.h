/* SPDX-License-Identifier: Apache-2.0 */
/* The duties of the first process of a machine. */
#ifndef AGENT_INIT_H
#define AGENT_INIT_H

#include <stdnoreturn.h>

#include "base/err.h"
#include "guest/agent/config.h"

/* Make the root a mount, mount what every program expects, bring up the loopback device. */
int init_machine(struct err *err);

/* Load the modules that /lib/kata/modules.list names; failures are logged. */
void init_modules(void);

/* Turn the machine off (or restart it where that is what ends it). */
noreturn void init_power_off(const struct agent_config *config);

#endif
