/* SPDX-License-Identifier: Apache-2.0 */
/* Starting containerd-shim-kata-v2, which is the sandbox. */
#ifndef HOST_CLI_SHIM_START_H
#define HOST_CLI_SHIM_START_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"

struct shim_options {
	const char *id;
	const char *bundle; /* absolute */
	const char *root;
	const char *config; /* absolute */
	const char *log;    /* absolute, or NULL: no log */
	bool log_json;	    /* what it writes there is JSON */
	bool debug;
	int owner_fd;	 /* the shim tears all down when this pipe's other end closes; borrowed */
	const int *stop; /* gives up as soon as not zero; a callback of the loop changes it */
};

/*
 * Start a shim and read its address ("unix://…", the caller frees) within 10 s.
 * 0, or -errno and @err, which holds what the shim said.
 */
int shim_start(struct loop *loop, const struct shim_options *opt, char **address, struct err *err);

#endif
