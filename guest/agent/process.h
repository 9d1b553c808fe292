/* SPDX-License-Identifier: Apache-2.0 */
/* A process of a container: its start, streams, end. */
#ifndef AGENT_PROCESS_H
#define AGENT_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/pump.h"
#include "guest/agent/launch.h"
#include "guest/agent/passfd.h"
#include "guest/agent/stream.h"

struct container;

enum process_state {
	PROCESS_SETTING_UP, /* the child makes its surroundings */
	PROCESS_READY,	    /* it waits for START */
	PROCESS_STARTING,   /* START is sent */
	PROCESS_RUNNING,    /* exec succeeded */
	PROCESS_EXITED,
};

/* @err is NULL on success. */
struct process;
typedef void (*process_cb)(struct process *p, const struct err *err);

struct process {
	struct list link; /* container->processes */
	struct container *container;
	char *id;
	enum process_state state;
	pid_t pid; /* 0 once waited for */
	int sync;
	struct loop_source *sync_source;
	struct loop_source *limit; /* how long the child may take for what it was told */
	int64_t limit_ms;
	process_cb progress; /* called once at READY and once at RUNNING or failure */
	void *progress_arg;
	bool failed; /* never became a program; goes with its child */
	bool tty;
	int status;		    /* EXITED: 0..255, 128 + signal */
	struct stream in, out, err; /* with pumps closed, but for a terminal's input */
	struct passfd streams;	    /* not handed on to pumps yet */
	struct pump *pumps[3];	    /* as passfd.h has it; NULL: none, or ended */
	struct loop_source *settle; /* EXITED: how long the pumps may take */
	bool settled;		    /* EXITED, and its output is delivered */
	struct list waiters;	    /* struct parked: WaitProcess */
	bool waited;		    /* somebody has its status */
};

/*
 * Make a process of @c and start setting it up by @l, whose stdio is made here.
 * @progress tells when it is ready or why not. NULL and @err when not even
 * the child could be made. The container owns it.
 */
struct process *process_new(struct container *c, const char *id, struct launch *l,
			    process_cb progress, void *arg, struct err *err);

/* Let the child that was held (launch.hold) set itself up. */
void process_go(struct process *p);

/* Give up a process that does not run yet: it is killed, and its progress told @err. */
void process_fail(struct process *p, const struct err *err);

/* Let the READY process run; @progress tells. */
void process_start(struct process *p, process_cb progress, void *arg);

/* Close its stdin behind what is still to be written. */
void process_close_input(struct process *p);

/* True from the clone until the child has been waited for. */
bool process_alive(const struct process *p);

/* Send @signo. -ESRCH when it has ended. */
int process_signal(struct process *p, int signo);

/* TIOCSWINSZ. -ENOTTY without a terminal. */
int process_resize(struct process *p, uint32_t rows, uint32_t columns);

/* Release; it must not be alive. What waits for it fails. */
void process_free(struct process *p);

#endif
