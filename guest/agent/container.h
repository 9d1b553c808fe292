/* SPDX-License-Identifier: Apache-2.0 */
/* A container from CreateContainer to RemoveContainer. */
#ifndef AGENT_CONTAINER_H
#define AGENT_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "cgroup/cgroup.h"
#include "guest/agent/agent.h"
#include "guest/agent/process.h"
#include "guest/agent/seccomp.h"
#include "proto/agent.pb-c.h"

struct container {
	struct list link; /* agent->containers */
	struct agent *agent;
	char *id;
	struct cgroup *cgroup; /* NULL until it is made */
	struct list processes; /* struct process */
	struct process *init;  /* NULL until it is made */
	char *name;	       /* see shared_mounts.h; NULL: none */
	char *termination_log; /* see termination_log.h; NULL: none */
	char *cpus;	       /* the processors that it is to have; NULL: all */
	struct strv storages;  /* mount points that it holds */
	struct passfd streams; /* of its first process, until that is made */
	bool userns, timens;
	uid_t root_uid; /* the guest's numbers of the user namespace's root */
	gid_t root_gid;
	struct seccomp_filter seccomp; /* of all its processes */
	int personality;	       /* the same; -1: as it is */
	char *exec_cpus;	       /* of further processes; NULL: those that it has */
	Grpc__Spec *hooks;	       /* of hooks_collect(), or NULL */
	unsigned long serial;	       /* tells it from another of the same id */
	bool shared_pid;	       /* its processes do not end with its first one */
	bool usable;		       /* created, and not being removed */
	bool paused;

	struct ttrpc_call *create;		     /* CreateContainer or StartContainer at work */
	const Grpc__CreateContainerRequest *request; /* until that is answered */
	struct err failure; /* why CreateContainer fails, told when all is cleaned up */

	struct cgroup_oom oom;
	struct loop_source *oom_source;

	bool removing;
	void (*removed)(void *arg, const struct err *err);
	void *removed_arg;
	int64_t remove_deadline, remove_wait; /* ms */
	struct loop_source *remove_timer;
};

/* The container @id, NULL when there is none. */
struct container *container_find(struct agent *agent, const char *id);

/*
 * Its process @exec_id; the first one for "" and for the id that it was
 * created with. NULL when there is none, or it failed to start.
 */
struct process *container_process(struct container *c, const char *exec_id);

/* Carry out a CreateContainer whose @id is valid and free; answers @call. Takes over @streams. */
void container_create(struct agent *agent, struct ttrpc_call *call,
		      const Grpc__CreateContainerRequest *req, struct passfd *streams);

/* Remember which processors @resources give it, for when more of them come. */
void container_note_cpus(struct container *c, const Grpc__LinuxResources *resources);

/* Carry out a StartContainer; answers @call. */
void container_start(struct container *c, struct ttrpc_call *call);

/* Carry out an ExecProcess; answers @call. Takes over @streams, or leaves them. */
void container_exec(struct container *c, struct ttrpc_call *call,
		    const Grpc__ExecProcessRequest *req, struct passfd *streams);

/*
 * Kill what runs in it, release all of it, then call @done; @err is NULL on
 * success and -ETIMEDOUT when something survives @limit_ms: the container then
 * stays and can be removed again.
 */
void container_remove(struct container *c, int64_t limit_ms,
		      void (*done)(void *arg, const struct err *err), void *arg);

/* A process of it has been waited for (called by process.c). May free it. */
void container_process_ended(struct container *c, struct process *p);

#endif
