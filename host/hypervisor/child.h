/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child: one of the programs that make up a machine. It dies with this
 * process, has only the descriptors that it is given, and what it says on its
 * standard error becomes part of the error when it ends.
 *
 * A child counts as ended when it is reaped and its standard error has no
 * writer left, so that a program that forks (virtiofsd into its own pid
 * namespace) is gone as a whole; CHILD_LINGER_MS later at the latest.
 */
#ifndef HOST_HYPERVISOR_CHILD_H
#define HOST_HYPERVISOR_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"
#include "host/hypervisor/hypervisor.h"

#define CHILD_LINGER_MS 500

struct child;

typedef void (*child_end_cb)(struct child *child, void *arg);

/*
 * Start the program @spec (its stdio and die_with_parent are set here, but for a standard
 * output above 0) in the role @name (a constant) and call @on_end from the loop when it
 * has ended.
 * @record: tell vm->on_process; not for a program that is only asked something.
 * On failure nothing runs and @err names role and program.
 */
struct child *child_start(struct vm *vm, const char *name, struct proc_spec *spec, bool record,
			  child_end_cb on_end, void *arg, struct err *err);

/* 0 once it is reaped. */
pid_t child_pid(const struct child *child);

/* SIGKILL for it and its children; on_end follows. NULL and an ended one are allowed. */
void child_kill(struct child *child);

/* After its end: it ended by itself, with status 0. */
bool child_succeeded(const struct child *child);

/*
 * After its end: set @err to "<name> (<path>) ended with status N: <its last
 * words>". Always an error. Returns the negative errno.
 */
int child_error(const struct child *child, struct err *err);

/* The last lines of its standard output and error, as of tail_text(). */
void child_output(const struct child *child, struct str *out);

/* Release; still running it is killed and reaped at once, without on_end. NULL is allowed. */
void child_free(struct child *child);

#endif
