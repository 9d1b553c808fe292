/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal for a container whose caller does not stay: one end of a pair goes to
 * the caller by a unix socket, as runc's docs/terminals.md has it.
 */
#ifndef HOST_CLI_CONSOLE_H
#define HOST_CLI_CONSOLE_H

#include <stdint.h>

#include "base/err.h"

/* Connect to the socket at @path, so that a wrong one is known early. -errno and @err. */
int console_connect(const char *path, struct err *err);

/*
 * Make a pair of terminals of the size given (0: unknown), raw, for the guest has the one that
 * the container sees, and send the master over @sock with the slave's name. Returns
 * the slave, or -errno and @err.
 */
int console_send(int sock, uint32_t rows, uint32_t cols, struct err *err);

#endif
