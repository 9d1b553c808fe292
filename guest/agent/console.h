/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal from the container's own devpts. */
#ifndef AGENT_CONSOLE_H
#define AGENT_CONSOLE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct console {
	int master, slave; /* owned; -1: none */
};

/*
 * Open a pair from dev/pts below the directory @root. @rows and @columns may
 * be 0; @uid becomes the terminal's owner.
 */
int console_open(int root, uint32_t rows, uint32_t columns, uid_t uid, struct console *c,
		 struct err *err);

/* Bind the slave over dev/console below @root. */
int console_bind(int root, const struct console *c, struct err *err);

/* Make the slave stdin, stdout, stderr and the controlling terminal of this session leader. */
int console_take(const struct console *c, struct err *err);

#endif
