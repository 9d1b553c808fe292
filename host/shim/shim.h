/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim: one sandbox, and the tasks in it that the Task service speaks of.
 * The sandbox is made with the first task, or as a pod (pod.h), and ends with the shim.
 */
#ifndef HOST_SHIM_SHIM_H
#define HOST_SHIM_SHIM_H

#include <stdbool.h>

#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "host/sandbox/sandbox.h"
#include "prom/histogram.h"
#include "ttrpc/ttrpc.h"

/* sandbox_stop() takes at most 10 s. */
#define SHIM_END_LIMIT_MS 15000

/*
 * So long does the end wait for containerd to take the last events. One that is started anew
 * calls Shutdown before it takes any, and begins to when that is answered.
 */
#define SHIM_EVENTS_LIMIT_MS   2000
#define SHIM_ANSWER_LIMIT_MS   500
#define SHIM_ANSWERED_LIMIT_MS 15000

/* The byte by which the owner leaves the shim alone. */
#define SHIM_KEEP 'k'

struct shim_options {
	const char *id; /* also the sandbox's */
	const char *namespace;
	const char *root;    /* absolute */
	const char *bundle;  /* absolute */
	const char *address; /* "unix://…", for the state file */
	const char *config;  /* NULL: found by the search order */
	/* Where containerd takes events; NULL or "": not there. See events.h. */
	const char *ttrpc_address, *publish_binary, *containerd;
	int owner_fd;	 /* -1: none; taken over: at its end, without SHIM_KEEP, the shim ends */
	int64_t idle_ms; /* how long it waits, without a task, for a client to say something */
	const struct hook_place *runtime; /* sandbox_options.runtime */
};

struct creation;
struct events;
struct management;
struct pod;

/* What the sandbox costs beside what its containers use, as of the last scrape. */
struct overhead {
	int64_t at; /* loop_now_ms() of the numbers below; 0: never yet */
	uint64_t host_ns, guest_ns;
	double cpu, memory; /* per cent of a processor, bytes */
};

struct shim {
	struct loop *loop;
	struct shim_options opt; /* the strings are the caller's */
	struct ttrpc_server *server;
	struct events *events;
	struct management *management;
	struct list tasks;

	struct sandbox *sandbox;  /* NULL before the first task */
	struct creation *booting; /* who boots it, meanwhile */
	struct pod *pod;	  /* made by the Sandbox service; NULL: by the first task */
	struct err death;	  /* why the machine ended, if it did */

	struct prom_histogram rpcs; /* of the Task service, by method */
	struct overhead overhead;
	unsigned scrapes; /* under way */
	uint64_t calls;	  /* answered; those at the beginning of the idle time */
	uint64_t idle_calls;

	struct loop_source *owner, *idle, *limit;
	struct list ends;   /* Shutdown calls that wait, struct pending_call */
	struct err end_err; /* what they are answered with */
	bool resting;	    /* the machine was ended because all tasks have stopped */
	bool ending;
	bool over;  /* all is done, but for the end of the process */
	int status; /* the process's own, when over */
};

/* A call in a list of those that wait for the same. */
struct pending_call {
	struct list link;
	struct ttrpc_call *call;
};

/* Put @call into @list until it is answered; its client's end takes it out. */
void pending_add(struct list *list, struct ttrpc_call *call);
/* The first of @list, taken out; NULL when it is empty. */
struct ttrpc_call *pending_take(struct list *list);

/*
 * Make a shim that serves the Task service; the caller gives it connections
 * by ttrpc_server_listen() or ttrpc_server_serve() on shim->server. Never NULL.
 */
struct shim *shim_new(struct loop *loop, const struct shim_options *opt);

/*
 * End the sandbox with all tasks, remove what is on disk, answer the Shutdown
 * calls and stop the loop. Once begun it goes on; it ends within
 * SHIM_END_LIMIT_MS, and the time that containerd has for the last events. @why is for the log.
 */
void shim_end(struct shim *s, const char *why);

/* The start of the sandbox is over, and with it the sandbox if it failed. */
void shim_booted(struct shim *s);

/* Whether it is being started, for the first task or as a pod. */
bool shim_is_booting(const struct shim *s);

/* Begin or stop to count the time without tasks, after one came or went. */
void shim_watch_idle(struct shim *s);

/*
 * A container has stopped. When all have, and none can be added because nobody but a
 * command line knows this sandbox, its machine is of no use any more.
 */
void shim_stopped_one(struct shim *s);

/* sandbox_new()'s callback for the end of the machine. @arg: struct shim. */
void shim_machine_died(const struct err *why, void *arg);

/* Release, with what tasks there are. Only when over, or before anything was begun. */
void shim_free(struct shim *s);

#endif
