/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tail of a stream: reads a descriptor on the loop to its end, writes each
 * line to the log and keeps the last few KiB for an error message. For what a
 * guest says on its console and a program on its standard error. The writer is
 * not trusted: control characters, escape sequences and whatever is not ASCII
 * are taken out, and a line is cut at TAIL_LINE_MAX.
 */
#ifndef HOST_HYPERVISOR_TAIL_H
#define HOST_HYPERVISOR_TAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"

#define TAIL_KEEP     4096
#define TAIL_LINE_MAX 512

struct tail;

typedef void (*tail_end_cb)(void *arg);

/*
 * Begin to read @fd, which is taken over and must not be shared for reading
 * (it is made non-blocking). Lines go to the log as "<name>: <line>"; @name is
 * borrowed. @on_end (may be NULL) is called once when the stream ends; the
 * tail can be asked until tail_free(). NULL and @err when epoll refuses @fd.
 */
struct tail *tail_new(struct loop *loop, int fd, const char *name, enum log_level level,
		      tail_end_cb on_end, void *arg, struct err *err);

/* NULL is allowed, here and in tail_free(). */
bool tail_ended(const struct tail *tail);

/* Read what is there without waiting, when an error is about to be told. */
void tail_drain(struct tail *tail);

/* Append the lines that are kept, oldest first, to @lines. */
void tail_lines(const struct tail *tail, struct strv *lines);

/* Append the last of them, at most @max bytes together, joined by " | ", to @out. */
void tail_text(const struct tail *tail, size_t max, struct str *out);

/* As tail_text(), for lines @from to the last. Pure. */
void tail_join(const struct strv *lines, size_t from, size_t max, struct str *out);

void tail_free(struct tail *tail);

#endif
