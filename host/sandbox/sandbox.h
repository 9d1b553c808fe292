/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox: one virtual machine, the agent in it, and the containers of a
 * pod. This is the core that the Task service drives. Every step is
 * asynchronous on the caller's loop; each `done` is called exactly once, never
 * from within the function that took it, with @err NULL on success, valid
 * during the call.
 *
 * parse → plan → apply: plan.h turns configuration and container specification
 * into data, sandbox.c applies it, state.h keeps on disk what any later
 * command needs, before the thing that it names is created.
 *
 * On the host a sandbox has directories, mounts and the control group that its first
 * container's linux.cgroupsPath names, without limits: those act in the guest.
 *
 * When the machine ends, all waits end: processes that were running count as
 * killed (status 137) and every call fails with "the sandbox's virtual machine
 * has ended: <why>".
 */
#ifndef HOST_SANDBOX_SANDBOX_H
#define HOST_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "host/config/config.h"
#include "proto/oci.pb-c.h"

struct sandbox;
struct sandbox_disk;
struct hook_place;

typedef void (*sandbox_done)(const struct err *err, void *arg);

struct sandbox_options {
	const char *id;	       /* sandbox ID: [A-Za-z0-9][A-Za-z0-9_.-]+, at most 128 bytes */
	const char *root;      /* where state lives; NULL: SANDBOX_ROOT */
	const char *namespace; /* containerd's; NULL: "default" */
	const char *bundle;    /* absolute */
	const char *address;   /* the shim's socket address, for the state file */
	/* Where hooks of the host run (host/hooks/hook.h), with the mount namespace first, in
	 * which containers' files are looked for, too; NULL: where this process is. Its
	 * descriptors are borrowed for the sandbox's life. */
	const struct hook_place *runtime;
	/* The root file system of the first container, if it is a disk (copied); or NULL. */
	const struct sandbox_disk *disk;
	/* Where it lies otherwise, as in struct sandbox_container. */
	const char *rootfs;
	bool own_rootfs;
	pid_t pid; /* as in struct sandbox_container: of the first one */
};

/* The machine ended without being asked to. Called once, from the loop. */
typedef void (*sandbox_died_cb)(const struct err *why, void *arg);

/*
 * Make a sandbox in state "creating" and write its state file: from now on
 * other commands see it. All strings are copied. -EEXIST when the ID is taken:
 * "container <id> already exists".
 */
int sandbox_new(struct loop *loop, const struct sandbox_options *opt, sandbox_died_cb died,
		void *arg, struct sandbox **sb, struct err *err);

/*
 * Boot: driver check, shared directory, machine, agent, CreateSandbox. Takes
 * over @config, also on failure. On failure everything that was made is undone
 * before @done is called; the state file stays until sandbox_destroy().
 */
void sandbox_boot(struct sandbox *sb, struct config *config, const Grpc__Spec *spec,
		  sandbox_done done, void *arg);

/* A root file system that the guest is to mount itself. */
struct sandbox_disk {
	char *source; /* a block device of the host, or a file with the same content */
	char *fstype;
	struct strv options; /* of the mount in the guest */
	bool read_only;
};

void sandbox_disk_copy(struct sandbox_disk *to, const struct sandbox_disk *from);
/* It may be empty, and is afterwards. */
void sandbox_disk_free(struct sandbox_disk *disk);

/*
 * Whether a container with @config may have one: it says so, and the machine can, which
 * may be so for the @first container of a sandbox alone.
 */
bool sandbox_takes_disks(const struct config *config, bool first);

/* What it was booted with; NULL before. */
const struct config *sandbox_config(const struct sandbox *sb);

struct sandbox_container {
	const char *id;
	const char *bundle;		 /* absolute */
	const char *rootfs;		 /* absolute; what containerd had to mount is mounted */
	bool own_rootfs;		 /* it was mounted in this process's mount namespace */
	const struct sandbox_disk *disk; /* the root file system in its place, or NULL */
	pid_t pid; /* the process of the host that stands for it; 0: the machine's does */
};

/*
 * Make the container @c (copied) from @spec (taken over). Its init process exists
 * afterwards and waits for sandbox_start_container(). The hooks prestart, createRuntime
 * and createContainer are run before the agent hears of it; what fails is undone, and
 * poststop is run.
 */
void sandbox_create_container(struct sandbox *sb, const struct sandbox_container *c,
			      Grpc__Spec *spec, sandbox_done done, void *arg);

/* Nobody wants the container that is being made: it fails at the next occasion. */
void sandbox_cancel_container(struct sandbox *sb, const char *id, const struct err *why);

void sandbox_start_container(struct sandbox *sb, const char *id, sandbox_done done, void *arg);

/*
 * Run the poststart hooks of a container that was started. When one fails the container
 * is killed, and @done has the error.
 */
void sandbox_poststart(struct sandbox *sb, const char *id, sandbox_done done, void *arg);

/* Start another process (taken over) in container @id under the name @exec_id. */
void sandbox_exec(struct sandbox *sb, const char *id, const char *exec_id, Grpc__Process *process,
		  sandbox_done done, void *arg);

/* @exec_id NULL or "" means the init process, here and below. @all: every process of it. */
void sandbox_signal(struct sandbox *sb, const char *id, const char *exec_id, uint32_t signo,
		    bool all, sandbox_done done, void *arg);

/*
 * When the process ends: its status as a shell shows it (128 + signal when killed).
 *
 * Output first: the original agent throws away what is unread when it tells a
 * status, so that the end of a process is seen only when each of its streams that
 * anybody began to read was read to its end (len 0) or failed. Who is no longer
 * interested goes on reading and drops the data. Reading begins, at the latest,
 * in the `done` of the start; a stream that nobody reads is not waited for.
 */
typedef void (*sandbox_exit_cb)(const struct err *err, uint32_t status, void *arg);
void sandbox_wait(struct sandbox *sb, const char *id, const char *exec_id, sandbox_exit_cb cb,
		  void *arg);

void sandbox_resize_tty(struct sandbox *sb, const char *id, const char *exec_id, uint32_t width,
			uint32_t height, sandbox_done done, void *arg);

/* Standard input: all @len bytes are written, or it fails (the process closed it, or ended). */
void sandbox_write_stdin(struct sandbox *sb, const char *id, const char *exec_id, const void *data,
			 size_t len, sandbox_done done, void *arg);
void sandbox_close_stdin(struct sandbox *sb, const char *id, const char *exec_id, sandbox_done done,
			 void *arg);

/*
 * Output: at least one and at most @max bytes as soon as there are any; @len 0 at its end.
 * @max 0: nobody will read it any more. The process finds its pipe broken, unless it has a
 * terminal or the agent cannot do that; then its output goes on and is to be thrown away.
 */
typedef void (*sandbox_read_cb)(const struct err *err, const void *data, size_t len, void *arg);
void sandbox_read_stdout(struct sandbox *sb, const char *id, const char *exec_id, size_t max,
			 sandbox_read_cb cb, void *arg);
void sandbox_read_stderr(struct sandbox *sb, const char *id, const char *exec_id, size_t max,
			 sandbox_read_cb cb, void *arg);

/*
 * Remove the container from guest and host and run its poststop hooks; kills what runs in
 * it. Works without a machine, too.
 */
void sandbox_remove_container(struct sandbox *sb, const char *id, sandbox_done done, void *arg);

/*
 * Record what `state` shows of a container: "created", "running", "stopped".
 * (A new one is "creating"; the caller, which knows who was told, says the rest.)
 */
int sandbox_set_status(struct sandbox *sb, const char *id, const char *status, struct err *err);

/*
 * Enter a process of the host into the journal, so that `delete` kills it when the
 * shim could not end it, and into the sandbox's control group; and take it out of the
 * journal again. @pid must be there.
 */
int sandbox_note_process(struct sandbox *sb, const char *name, pid_t pid, struct err *err);
int sandbox_forget_process(struct sandbox *sb, pid_t pid, struct err *err);

/* The machine's process; 0 while there is none. */
pid_t sandbox_pid(const struct sandbox *sb);

/*
 * No container runs any more, and none will: end the machine, to give back what it holds.
 * As when it ends by itself (the callback for that comes, too), all that is on the host
 * stays until the containers are removed. Nothing happens without a machine.
 */
void sandbox_rest(struct sandbox *sb);

/*
 * End the machine and undo everything on the host: containers, mounts,
 * directories, cgroups. @done always comes within 10 s; its error tells what
 * could not be undone. The state file stays.
 */
void sandbox_stop(struct sandbox *sb, sandbox_done done, void *arg);

/*
 * Remove the state and release the memory. Only after sandbox_stop() or a failed
 * boot. When something could not be undone, the state stays for `delete`. NULL is
 * allowed.
 */
void sandbox_destroy(struct sandbox *sb);

#endif
