/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of kata-monitor, in Go's style of flags as of the original. */
#ifndef HOST_MONITOR_OPTIONS_H
#define HOST_MONITOR_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

#define MONITOR_ADDRESS "127.0.0.1:8090"

struct options {
	const char *address; /* "HOST:PORT" */
	enum log_level level;
	struct strv roots; /* of --root; empty: none was given */
	bool help, version;
};

/* -EINVAL and @err for what is not understood. The strings are those of @argv. */
int options_parse(int argc, char *const *argv, struct options *o, struct err *err);

void options_usage(FILE *out);

/* A socket that listens on "HOST:PORT", "[HOST]:PORT" or ":PORT", all addresses; or -errno. */
int options_listen(const char *address, struct err *err);

#endif
