/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What containerd tells a shim when it starts it, beside flags, and what it wants to hear.
 * Up to 2.2 the runtime's options (a google.protobuf.Any) come on standard input, and the
 * address is the answer. From 2.3 on BootstrapParams come, and the answer may be JSON that
 * says what is spoken at the address: version 3, the Task service beside the Sandbox service.
 */
#ifndef HOST_SHIM_BOOTSTRAP_H
#define HOST_SHIM_BOOTSTRAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "host/shim/cmdline.h"

struct bootstrap {
	struct cmdline cl; /* the command line; what it does not say is taken from the params */
	char *config;	   /* ConfigPath of the runtime's options; NULL: none */
	bool params;	   /* they came: the caller knows of version 3 */
	/* It can make pods by the Sandbox service: then a bundle may have no config.json. */
	bool sandboxes;
	void *own; /* whose strings cl borrows */
};

/*
 * Read what the caller says of @cl: only containerd, which its environment tells, is
 * listened to, and for a second at most. What makes no sense is not there.
 */
void bootstrap_read(const struct cmdline *cl, int fd, struct bootstrap *b);
void bootstrap_free(struct bootstrap *b);

/* The same of @len bytes that have been read. */
void bootstrap_parse(const struct cmdline *cl, const void *data, size_t len, struct bootstrap *b);

/* Write @address to standard output as @b's caller reads it. 0, or -errno and @err. */
int bootstrap_answer(const struct bootstrap *b, const char *address, struct err *err);

#endif
