/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a machine whose monitor is one program with a vsock, hybrid or by vhost: that program, the
 * virtiofsd that may serve it, the guest's console and the agent's log. When one of the
 * two ends the other is ended, and then VM_EXITED comes with the first thing that failed.
 * A driver embeds it and adds how its monitor is told what to do.
 */
#ifndef HOST_HYPERVISOR_LIFE_H
#define HOST_HYPERVISOR_LIFE_H

#include <stdbool.h>

#include "host/hypervisor/child.h"
#include "host/hypervisor/hvsock.h"
#include "host/hypervisor/hypervisor.h"
#include "host/hypervisor/tail.h"
#include "host/hypervisor/version.h"
#include "host/hypervisor/virtiofsd.h"
#include "host/hypervisor/vsock.h"

/* How long a monitor that was asked to end may take before it is killed. */
#define LIFE_STOP_MS 500

/* How long a monitor that lost virtiofsd, or whose guest has ended, may say more. */
#define LIFE_GRACE_MS 1000

struct life {
	struct vm *vm;
	char *path;   /* of the program */
	char *socket; /* of the hybrid vsock, on the host; NULL: by vhost */
	uint32_t cid; /* without a socket: the guest's context ID */
	struct child *child;
	struct virtiofsd *fs;
	struct tail *console, *log;
	struct hvsock_dial *dial, *log_dial;
	struct vsock_dial *vdial, *log_vdial; /* without a socket */
	struct loop_source *log_limit;
	struct loop_source *limit; /* of what is waited for */
	bool ended;		   /* the monitor, or it never was */
	bool started;		   /* VM_STARTED was sent */
	bool stopping;		   /* by vm_stop() */
	bool agent_seen;
	struct err why;	      /* what ended the machine, unless it was vm_stop() */
	struct err suspicion; /* what it was if nothing better is heard until `limit` */
	/*
	 * The monitor has ended: nothing more can be asked of it. @why always says how. What
	 * waits for an answer fails now.
	 */
	void (*on_end)(const struct err *why, void *arg);
	void *arg;
};

/* @path and @socket (NULL: set life.cid before the start) are taken over. Nothing runs yet. */
void life_init(struct life *l, struct vm *vm, char *path, char *socket,
	       void (*on_end)(const struct err *why, void *arg), void *arg);

/*
 * Start the monitor in its role: the driver's name. Its standard output is the guest's
 * console; @spec says the rest.
 */
int life_launch(struct life *l, struct proc_spec *spec, struct err *err);

/*
 * Start virtiofsd, if something is to be shared, on the socket @path, which stays for the
 * monitor to connect to.
 */
int life_share(struct life *l, const char *path, struct err *err);

/* The guest runs: VM_STARTED. */
void life_started(struct life *l);

/* The machine has failed: all processes are ended. The first failure counts. */
void life_fail(struct life *l, const struct err *why);

/* End all after @ms for the reason @suspicion, unless something else comes first. */
void life_limit(struct life *l, int64_t ms, const struct err *suspicion);

/* The monitor says that the guest has ended; it gets a moment to end itself. */
void life_guest_ended(struct life *l, const char *how);

/* Begin to connect to the agent, and to its log when it answers: VM_AGENT. */
int life_connect(struct life *l, struct err *err);

/* vm_stop(): @asked, the monitor was asked to end and gets LIFE_STOP_MS for it. */
void life_stop(struct life *l, bool asked);

/* The operations of a driver, as they stand. */
pid_t life_pid(const struct life *l);
void life_console(const struct life *l, struct str *out);
void life_address(const struct life *l, struct str *out);

/* Nothing runs and nothing is open afterwards; without any event. */
void life_reset(struct life *l);
void life_free(struct life *l);

#endif
