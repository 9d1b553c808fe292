/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line that containerd and kata-runtime start the shim with: Go's
 * style of flags (one dash or two, `-flag value` or `-flag=value`), then at
 * most one action.
 */
#ifndef HOST_SHIM_CMDLINE_H
#define HOST_SHIM_CMDLINE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

struct cmdline {
	/* containerd's (its core/runtime/v2); NULL: not given. The strings are those of argv. */
	const char *namespace;
	const char *address; /* of containerd's own socket */
	const char *publish_binary;
	const char *id;
	const char *bundle; /* NULL: the working directory */
	const char *socket; /* serve without `start`: where to listen */
	bool debug;
	bool version;
	bool info;
	bool help;

	/* Ours. */
	const char *root;   /* where state is kept */
	const char *config; /* NULL: found by the search order */
	const char *log;    /* NULL: the FIFO `log` of the bundle, else a file beside the state */
	bool log_json;	    /* the log's form: text, or JSON as kata-runtime writes it */
	int owner_fd;	    /* -1: nobody is waited for */

	/* From `start` to the server that it starts. */
	int listen_fd;	 /* -1: none */
	bool log_fields; /* the log goes to containerd */
	int ready_fd;	 /* -1: none */

	const char *action; /* NULL: serve */
};

/*
 * Fill @cl. -EINVAL and @err for an unknown flag, a missing or a malformed
 * value, or more than one action. Whether what an action needs is there is for
 * the action to say.
 */
int cmdline_parse(int argc, char *const *argv, struct cmdline *cl, struct err *err);

/*
 * The variant that the program's own name stands for: containerd calls a runtime
 * io.containerd.kata-qemu.v2 by the name containerd-shim-kata-qemu-v2, that is "qemu". NULL
 * when it stands for none. The caller frees.
 */
char *cmdline_variant(const char *argv0);

void cmdline_usage(FILE *out);

#endif
