/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's terminal and signals, tied to a container: before it runs a
 * signal gives up, afterwards it is the container's.
 */
#ifndef HOST_CLI_ATTACH_H
#define HOST_CLI_ATTACH_H

#include <stdbool.h>
#include <termios.h>

#include "base/loop.h"
#include "host/cli/task_client.h"

struct attach {
	struct loop *loop;
	struct loop_source *signals[10];
	struct task *task; /* NULL: signals are not forwarded */
	int stop;	   /* the signal that gave up, 0: none. For task_set_stop() */
	bool ended;	   /* signals are of no effect any more */
	bool raw;
	struct termios saved; /* while raw */
};

/* Take the signals over, for as long as the loop lives. 0 or -errno. */
int attach_begin(struct attach *a, struct loop *loop);

/* From now on signals go to @task, whose terminal, if any, has @terminal's size and mode. */
void attach_to(struct attach *a, struct task *task, bool terminal);

/*
 * Whether the caller has a terminal: one of the standard descriptors, or /dev/tty where all of
 * them lead elsewhere.
 */
bool attach_has_terminal(void);

/* Tell @task the size of the caller's terminal, if there is one. */
void attach_resize(struct task *task);

/* The terminal as it was; signals that come are of no effect any more. Any time, repeatedly. */
void attach_end(struct attach *a);

#endif
