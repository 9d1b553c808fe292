/* SPDX-License-Identifier: Apache-2.0 */
/* The three standard streams of a process in a container. */
#ifndef HOST_SHIM_STREAMS_H
#define HOST_SHIM_STREAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"
#include "host/sandbox/sandbox.h"

struct streams;

/* Where they end on the host, as port_open() reads it. */
struct streams_where {
	const char *in, *out, *err;
	bool terminal; /* in and out are a terminal's; err is not used */
	const int *fds;
	size_t n_fds;
};

/* Open them. 0, or -errno and an error that names the stream. Nothing is read or written yet. */
int streams_open(struct loop *loop, const struct streams_where *where, struct streams **io,
		 struct err *err);

/* Begin to copy, once process @exec_id of container @id runs. */
void streams_start(struct streams *io, struct sandbox *sb, const char *id, const char *exec_id);

/* Close the process's input behind what is there to be read now. Any time. */
void streams_close_input(struct streams *io);

/* The size of the terminal on the host; false when there is none. */
bool streams_size(const struct streams *io, uint32_t *width, uint32_t *height);

/*
 * The process was killed: output that nobody takes for @ms is dropped from now
 * on, for the sandbox tells of its end only when all of it was read. A
 * descriptor that was handed over is excepted: its reader decides how long it
 * rests, as with any pipe.
 */
#define STREAMS_QUIET_MS 5000
void streams_expire(struct streams *io, int64_t ms);

/*
 * The process has ended: stop its input, and call @drained, once and not from
 * within, when what was read of its output is written, or was not taken for
 * STREAMS_QUIET_MS (or what streams_expire() said).
 */
void streams_finish(struct streams *io, void (*drained)(void *arg), void *arg);

/* Stop at once, close and release. NULL is allowed. */
void streams_free(struct streams *io);

#endif
