/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of a container that the Task service knows: the init process, or
 * one that was added by Exec.
 *
 *   CREATING → CREATED → STARTING → RUNNING → STOPPED
 *
 * CREATING is for init alone. A start that fails leads back to CREATED (init)
 * or to STOPPED (others); the end of the machine leads from anywhere to
 * STOPPED. A process counts as stopped when its output has been written too; init, besides,
 * when those that were added have ended with it, so that nobody hears of its end before theirs.
 */
#ifndef HOST_SHIM_PROCESS_H
#define HOST_SHIM_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/list.h"
#include "host/shim/shim.h"
#include "host/shim/standin.h"
#include "host/shim/streams.h"
#include "proto/oci.pb-c.h"

/* The status of what was killed by the end of its machine: 128 + SIGKILL. */
#define STATUS_KILLED 137

enum process_state {
	PROCESS_CREATING,
	PROCESS_CREATED,
	PROCESS_STARTING,
	PROCESS_RUNNING,
	PROCESS_STOPPED,
};

struct process {
	unsigned refs;	  /* the task's, and one for each answer that the sandbox owes */
	struct list link; /* in the task's execs */
	struct shim *shim;
	char *id;      /* the container's */
	char *exec_id; /* "": init */
	enum process_state state;
	bool terminal;
	char *in, *out, *err; /* as the client named them */
	struct streams *io;
	Grpc__Process *spec;	/* an exec's, until it is started */
	uint32_t width, height; /* of the terminal, when set before the start */
	bool ran;
	bool exited; /* its end was seen; the state follows */
	bool deleting;
	bool killed; /* on request, or by the end of its machine: no news of it is to come */
	struct loop_source *late; /* runs: its end is told when it has run out */
	uint32_t exit_status;
	struct timespec exited_at;
	struct list waiters;
	struct loop_source *held; /* init's, while it waits for the others; then a reference, too */
	struct standin *standin;  /* NULL: the machine's process stands for it */
};

/* In state CREATING. All strings are copied; @exec_id may be NULL. Never NULL; one reference. */
struct process *shim_process_new(struct shim *s, const char *id, const char *exec_id);
struct process *shim_process_ref(struct process *p);
void shim_process_unref(struct process *p);

bool shim_process_is_init(const struct process *p);

/* "container c" or "process e of container c", for errors. Valid until the next call. */
const char *shim_process_name(const struct process *p);

/* The process on the host that stands for it: its stand-in, else the machine's; 0: none. */
uint32_t shim_process_pid(const struct process *p);

/*
 * Open the streams with the descriptors of @call, which are taken from it.
 * 0, or -errno and @err.
 */
int shim_process_open_streams(struct process *p, struct ttrpc_call *call, bool terminal,
			      const char *in, const char *out, const char *err_where,
			      struct err *err);

/*
 * It is about to be started, and a size of its terminal may be known already: its first look at
 * it finds that one. With an agent that takes none before the start, the one behind it does.
 */
void shim_process_size_terminal(struct process *p);

/* It runs now: copy its streams, watch for its end. */
void shim_process_started(struct process *p);

/* It has ended with @status: it is stopped when its output was written, too. */
void shim_process_exited(struct process *p, uint32_t status);

/* Its container ran out of memory: if it has ended, that is why. */
void shim_process_ran_out(struct process *p);

/* Answer @call with how the process ended, as soon as it has. */
void shim_process_wait(struct process *p, struct ttrpc_call *call);

/* Its container is gone: drop its streams, and those waiters that nothing would ever answer. */
void shim_process_remove(struct process *p);

#endif
