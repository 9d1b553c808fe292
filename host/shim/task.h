/* SPDX-License-Identifier: Apache-2.0 */
/* A task: a container as containerd sees it, with its processes. */
#ifndef HOST_SHIM_TASK_H
#define HOST_SHIM_TASK_H

#include "host/shim/process.h"
#include "host/shim/shim.h"

struct task {
	struct list link; /* in shim->tasks */
	struct shim *shim;
	char *id;
	char *bundle;
	char *mounted; /* where containerd's mounts are; NULL: there were none */
	struct process *init;
	struct list execs;	  /* struct process */
	bool paused;		  /* it counts while the init process runs */
	bool changing;		  /* is being paused or resumed */
	uint64_t ooms;		  /* how often it ran out of memory */
	struct list watchers;	  /* calls that wait for its next event */
	struct loop_source *look; /* at its bundle, once it has stopped */
};

/* Make a task whose container is still to be created, and enter it. Never NULL. */
struct task *task_new(struct shim *s, const char *id, const char *bundle);

/* NULL when there is none. */
struct task *task_find(const struct shim *s, const char *id);

/* @exec_id "" is init. NULL when there is none. */
struct process *task_process(const struct task *t, const char *exec_id);

/* Take it out and release it with its processes; what was mounted for it is unmounted. */
void task_remove(struct task *t);

/*
 * It has stopped. An engine that lost its monitor (conmon) forgets a container without a word to
 * us: when its bundle goes, it is deleted. Only what has a stand-in has such an engine.
 */
void task_stopped(struct task *t);

/* The machine has ended: so have the processes that were not started, which nobody watches. */
void task_machine_died(struct task *t);

#endif
