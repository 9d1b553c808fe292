/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container writes to its terminal, for a file or a pipe. The guest's terminal ends
 * lines as terminals want it, with "\r\n"; whoever is none gets them as they were written,
 * as from runc.
 */
#ifndef HOST_CLI_NEWLINES_H
#define HOST_CLI_NEWLINES_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"

struct newlines {
	struct loop *loop;
	struct loop_source *in, *out; /* @out: NULL where writing never waits */
	int from, to;		      /* the pipe; -1: closed */
	bool held;		      /* a "\r" that may belong to the next byte */
};

#define NEWLINES_NONE                \
	{                            \
		.from = -1, .to = -1 \
	}

/*
 * Begin to copy to standard output, on @loop; @n->to is what the container is to write to.
 * 0 or -errno and @err.
 */
int newlines_begin(struct newlines *n, struct loop *loop, struct err *err);

/*
 * The container has ended, or never began: all that it wrote is passed on, in at most @ms
 * milliseconds from when nothing comes any more. NEWLINES_NONE is allowed, and what it is then.
 */
void newlines_end(struct newlines *n, int ms);

#endif
