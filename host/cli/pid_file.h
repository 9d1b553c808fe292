/* SPDX-License-Identifier: Apache-2.0 */
/* The file in which an engine looks for the number of a process. */
#ifndef HOST_CLI_PID_FILE_H
#define HOST_CLI_PID_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct pid_file {
	const char *path; /* NULL: none is wanted */
	bool written;
};

/* That it can be written is known only when it is; that it never can be, now. */
int pid_file_check(const struct pid_file *f, struct err *err);

/*
 * As a whole or not at all: who waits for it finds the number in it. What is no file (a pipe,
 * /dev/null, a link to one) stays what it is and is written to, without waiting. -ELOOP for a
 * link to a file or to nothing: neither it nor where it leads is touched.
 */
int pid_file_write(struct pid_file *f, pid_t pid, struct err *err);

/* What was written, when it came to nothing: a file alone, nothing else is removed. */
void pid_file_remove(struct pid_file *f);

#endif
