/* SPDX-License-Identifier: Apache-2.0 */
/* The shell that the guest's agent offers for debugging: Kata's `exec SANDBOX`. */
#ifndef HOST_CLI_DEBUG_CONSOLE_H
#define HOST_CLI_DEBUG_CONSOLE_H

#include "host/cli/cli.h"

/*
 * Tie the caller's terminal to @port of the guest of sandbox @id until the shell ends.
 * Returns 0, or -errno and an error that says what is missing.
 */
int debug_console(const struct cli *cli, const char *id, const char *port, struct err *err);

#endif
