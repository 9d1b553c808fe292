/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the sandbox share among themselves. Each does one thing:
 *
 *   sandbox.c    the life of the object          boot.c   from nothing to a sandbox
 *   link.c       the connection to the agent     end.c    back to nothing
 *   call.c       requests on that connection     container.c, process.c, io.c, control.c
 */
#ifndef HOST_SANDBOX_CORE_H
#define HOST_SANDBOX_CORE_H

#include "base/list.h"
#include "host/agent-client/agent.h"
#include "host/hooks/hooks.h"
#include "host/hypervisor/hypervisor.h"
#include "host/sandbox/control.h"
#include "host/sandbox/disk.h"
#include "host/sandbox/group.h"
#include "host/sandbox/load.h"
#include "host/sandbox/plan.h"
#include "host/sandbox/sandbox.h"
#include "host/sandbox/state.h"
#include "host/sandbox/volume.h"
#include "host/storage/share.h"
#include "prom/histogram.h"

enum sandbox_phase {
	PHASE_NEW,
	PHASE_BOOTING,
	PHASE_RUNNING,
	PHASE_DEAD,   /* the machine ended by itself; sandbox_stop() clears up */
	PHASE_ENDING, /* after sandbox_stop() or a failed boot */
	PHASE_ENDED,
};

struct sandbox {
	struct loop *loop;
	struct sandbox_state *st;
	pid_t standin; /* of the first container; 0: it has none */
	enum sandbox_phase phase;
	struct err why; /* DEAD and later: what calls fail with */
	sandbox_died_cb died;
	void *died_arg;

	/* Since the boot. */
	struct config *config;
	const struct hypervisor_ops *ops;
	unsigned caps; /* HV_CAP_* */
	struct plan_guest guest;
	struct share *share;
	char *run_dir;
	char *own_dir;	     /* the driver's, or NULL */
	struct group *group; /* NULL: none */
	struct vm_spec vm_spec;
	struct network *net;	   /* NULL: none (network.h) */
	struct loopback *loopback; /* NULL: none (loopback.h) */
	bool loopback_asked;
	struct names *names; /* NULL: none (names.h) */
	struct vm *vm;	     /* NULL: none, or it has ended */
	struct agent *agent; /* NULL while there is no connection */

	/* disk.c */
	struct list disks; /* struct disk: what is plugged in */
	unsigned disk_count;
	struct sandbox_disk root_disk; /* of the first container; source NULL: it is none */
	struct vm_dev *boot_disks;     /* what the machine starts with */

	/* root.c */
	struct list rootings;	      /* struct rooting: roots that are being made into disks */
	struct image_root boot_image; /* of the first container, until that has it */
	char *boot_rootfs;	      /* where it comes from */
	bool own_boot_rootfs;

	/* resize.c */
	unsigned vcpus; /* what the machine has */
	uint64_t memory;
	struct list resizers; /* struct resizer: who waits for it to have the right size */
	bool resizing;
	struct loop_source *resize_step;

	struct list calls;	    /* struct call */
	struct prom_histogram rpcs; /* how long each took */
	struct list containers;	    /* struct container */
	char *first;		    /* whose pid namespace others may share; NULL: none yet */

	/* hooking.c */
	struct hook_place runtime; /* where the host's hooks run */
	struct list hookings;	   /* struct hooking */

	/* boot.c */
	Grpc__CreateSandboxRequest *create;
	bool asked;		/* the agent was, for the first thing */
	sandbox_done boot_done; /* NULL once it was called */
	void *boot_arg;
	struct loop_source *boot_step, *boot_limit;
	int64_t boot_deadline; /* for the agent's first answer; loop_now_ms() */
	bool started;	       /* the machine executes the guest's code */

	/* link.c */
	struct loop_source *link_retry, *link_limit;
	struct err link_why; /* why the connection was given up */

	/* control.c */
	sandbox_oom_cb oom;
	void *oom_arg;
	struct loop_source *oom_retry;

	/* end.c */
	struct list enders; /* struct ender */
	struct loop_source *end_limit, *end_step;
	bool end_waits; /* for hooks */
	int64_t end_deadline;
	struct err end_err; /* the first thing that could not be undone */
};

struct process;

struct container {
	struct list link;
	struct sandbox *sb;
	char *id;
	char *bundle;
	struct list processes; /* struct process; the init process is first */
	pid_t pid;	       /* its stand-in; 0: the machine's process stands for it */
	char *netns;	       /* linux.namespaces' path of the network; NULL: none */
	char *resolv_conf;     /* names_source() */
	Grpc__Hooks *hooks;    /* NULL: none */
	bool poststop_due;     /* the others have begun */
	bool busy;	       /* it is being made or removed */
	struct load_limits limits;
	struct strv disks;	 /* IDs of those that are plugged in for it */
	struct image_root image; /* its root as disks; may be empty */
	struct volumes *volumes; /* what was copied for it; NULL: nothing */
	struct strv shared;	 /* of its mounts: path of the host, path of the guest, … */
};

/* ---- call.c ------------------------------------------------------------- */

typedef agent_reply_cb call_cb;

/*
 * Call the agent; @cb comes later and exactly once: with the answer, the
 * agent's error, or, when the machine has ended, sb->why. When the connection
 * is lost it comes as soon as it is known what became of the machine: with
 * -ECONNRESET when that lives and a new connection stands.
 */
void call_agent(struct sandbox *sb, const char *method, const ProtobufCMessage *req,
		int64_t timeout_ms, call_cb cb, void *arg);

/* As call_agent() for a request whose answer says nothing. */
void call_simple(struct sandbox *sb, const char *method, const ProtobufCMessage *req,
		 int64_t timeout_ms, sandbox_done done, void *arg);

/* Call @done later with @err (copied; NULL: success). */
void call_done(struct sandbox *sb, const struct err *err, sandbox_done done, void *arg);

/* A new connection stands: end the calls that the old one lost. */
void call_end_lost(struct sandbox *sb);

/* There will be no more answers: end all with sb->why. The connection is closed. */
void call_end_all(struct sandbox *sb);

/* Call now what is still due. */
void call_flush(struct sandbox *sb);

/* ---- link.c ------------------------------------------------------------- */

/* The machine has a stream to the agent. */
void link_up(struct sandbox *sb);

/* Forget the connection and what waits for it. */
void link_down(struct sandbox *sb);

/* ---- boot.c ------------------------------------------------------------- */

/* The agent answered for the first time. */
void boot_agent_answers(struct sandbox *sb);

/* End a boot that fails with @err; nothing happens when none is under way. */
void boot_fail(struct sandbox *sb, const struct err *err);

/* ---- resize.c ----------------------------------------------------------- */

/*
 * Let the machine have what its containers may use: their limits have changed, or there
 * is one more. @done comes when it has, at once when it is settled for good.
 */
void resize_sandbox(struct sandbox *sb, sandbox_done done, void *arg);

/* The machine has ended: nobody waits any more. */
void resize_end(struct sandbox *sb);

/* ---- root.c ------------------------------------------------------------- */

/* Where files are looked for: where the runtime was started. */
struct source_place root_place(const struct sandbox *sb);

/* Whether roots reach the machine as disks that are made of them. */
bool root_is_image(const struct sandbox *sb, const struct sandbox_disk *disk);

/* Whether the machine has to have the first one's when it starts. */
bool root_is_due_at_boot(const struct sandbox *sb);

/*
 * Have the root file system @rootfs (@own: mounted by this process) as disks: container
 * @id's; NULL: sb->boot_image. @keep: what is written to it stays, otherwise memory is
 * enough.
 */
void root_prepare(struct sandbox *sb, const char *id, const char *rootfs, bool own, bool keep,
		  sandbox_done done, void *arg);

/* Nobody needs them any more: end all with sb->why, later or now. */
void root_cancel_all(struct sandbox *sb);
void root_flush(struct sandbox *sb);

/* ---- end.c -------------------------------------------------------------- */

/* The machine is no more: @why is what calls are told. Processes count as killed. */
void end_of_machine(struct sandbox *sb, const struct err *why);

/* End everything, then call @done. @ask: let the agent end its containers first. */
void end_begin(struct sandbox *sb, bool ask, sandbox_done done, void *arg);

/* The machine's VM_EXITED has come during the end. */
void end_machine_gone(struct sandbox *sb);

/* Hooks have ended: see whether the end can go on. */
void end_look(struct sandbox *sb);

/* ---- hooking.c ---------------------------------------------------------- */

/*
 * prestart, createRuntime, poststart and poststop run in the namespaces of the runtime
 * as it was started (sandbox_options.runtime); createContainer in the network, ipc and
 * uts namespaces of the process that stands for the container, and in the mount
 * namespace in which its root file system is put together: what such a hook mounts below
 * that is there in the guest.
 */

/*
 * Run the hooks of @kind of @c: @done comes later, in any case and exactly once; at once
 * when there are none. poststop runs once, and only if others have begun.
 */
void hooking_run(struct container *c, enum hook_kind kind, sandbox_done done, void *arg);

/* Kill the hooks of @c that run, but for poststop; @c NULL: those of all. */
void hooking_cancel(struct sandbox *sb, struct container *c, const struct err *why);

/* Kill all; @done of each is called. */
void hooking_cancel_all(struct sandbox *sb, const struct err *why);

/* The same, now. */
void hooking_flush(struct sandbox *sb);

/* ---- create.c ----------------------------------------------------------- */

/* Take the container @id from host and state, whatever is there of it. */
int create_undo(struct sandbox *sb, const char *id, struct err *err);

/* ---- process.c, container.c --------------------------------------------- */

/* Status of a process whose end nobody saw. */
#define STATUS_KILLED 137

enum stream_phase { STREAM_UNUSED, STREAM_OPEN, STREAM_ENDED };

/*
 * A process in the guest. Its end is asked for as soon as its output has been read
 * to the end: the original agent throws away what is unread when it tells the
 * status.
 */
struct process {
	struct list link;
	struct sandbox *sb;
	unsigned refs; /* its container's, and those of calls under way */
	char *container_id;
	char *exec_id; /* as the agent knows it: the init process has its container's */
	bool started, waiting, exited;
	uint32_t status;
	enum stream_phase out, err;
	struct list waiters; /* struct waiter */
	struct loop_source *look;
};

struct process *process_new(struct container *c, const char *exec_id);
struct process *process_ref(struct process *p);
void process_unref(struct process *p);

/* It runs from now on. */
void process_started(struct process *p);

/* Its output has ended, or it has begun: see whether it is time to wait for it. */
void process_look(struct process *p);

/* It has ended. Tells all that wait. */
void process_exited(struct process *p, uint32_t status);

struct container *container_find(struct sandbox *sb, const char *id);

/* @exec_id NULL or "": the init process. NULL and @err (-ENOENT) if there is none. */
struct process *container_process(struct sandbox *sb, const char *id, const char *exec_id,
				  struct err *err);

/* Take it out of the sandbox; its processes count as killed. */
void container_free(struct container *c);

#endif
