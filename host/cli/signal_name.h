/* SPDX-License-Identifier: Apache-2.0 */
/* Signals as people write them. */
#ifndef HOST_CLI_SIGNAL_NAME_H
#define HOST_CLI_SIGNAL_NAME_H

#include "base/err.h"

/*
 * "TERM", "SIGTERM", "term", "15", "RTMIN+3", "RTMAX-1" → the number of the
 * signal, 1 to 64, or "0", which asks whether a process is there (kill(2)).
 * -EINVAL and an error that names @text.
 */
int signal_parse(const char *text, struct err *err);

#endif
