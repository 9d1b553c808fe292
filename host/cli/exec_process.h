/* SPDX-License-Identifier: Apache-2.0 */
/* The process that `exec` adds to a container: from a file, or from flags. */
#ifndef HOST_CLI_EXEC_PROCESS_H
#define HOST_CLI_EXEC_PROCESS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/oci.pb-c.h"

/* NULL, or empty: not given. */
struct exec_options {
	const char *process; /* a file, "-" is standard input; what is below means nothing then */
	const char *cwd, *user, *apparmor, *label;
	bool tty, no_new_privs;
	struct strv env, caps, gids;
};

/*
 * Make the process with the words @args and what else @bundle's config.json says
 * of the container's own, changed by @opt. 0 and *@process, which the caller frees with
 * grpc__process__free_unpacked(), or -errno and an error that names the flag or file.
 */
int exec_process(const struct exec_options *opt, const char *bundle, int argc, char **args,
		 Grpc__Process **process, struct err *err);

#endif
