/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox on disk: <root>/<id>/state.json, replaced atomically, so that any
 * later command finds it and can clear up after a shim that was killed. What
 * has to be cleared up is recorded before it is created.
 */
#ifndef HOST_SANDBOX_STATE_H
#define HOST_SANDBOX_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

#define SANDBOX_ROOT   "/run/vc/sbs"
#define SANDBOX_VM_DIR "/run/vc/vm"
#define SANDBOX_SHARE  "/run/kata-containers/shared/sandboxes"

/* In <root>/<id>: where the shim serves the Task service. */
#define SANDBOX_SOCKET "shim.sock"
/* In <root>/<id>: what it logs, where nobody else takes it. */
#define SANDBOX_LOG "shim.log"

/* In <root>/<id>: where the shim tells of itself and its sandbox by HTTP. */
#define SANDBOX_MONITOR "shim-monitor.sock"

/* A process, named for good by its pid and the time it started at. */
struct state_process {
	char *name; /* "shim", "qemu", "virtiofsd", "agent", "standin" */
	pid_t pid;
	uint64_t start; /* clock ticks since boot, proc_start_time() */
};

struct state_container {
	char *id;
	char *bundle;
	char *rootfs;
	char *status;		 /* OCI: creating, created, running, stopped */
	char *created;		 /* RFC 3339, UTC */
	struct strv annotations; /* key, value, key, value … */
};

struct sandbox_state {
	char *id;
	char *root; /* not stored: where it was loaded from */
	char *namespace;
	char *bundle;
	char *address;	  /* unix:///… of the shim */
	char *hypervisor; /* configuration table's name, NULL before the boot */
	char *config_path;
	struct state_process *processes;
	size_t n_processes;
	struct strv dirs;    /* trees to remove, after all that is mounted in them was unmounted */
	struct strv mounts;  /* mount points elsewhere, in the order they were made */
	char *netns;	     /* path of the pod's network namespace, and what it is: */
	char *netns_id;	     /* "DEVICE:INODE" */
	struct strv network; /* what is to be undone in it (network/wire.h), in that order */
	struct strv cgroups; /* control groups to empty and remove, as cgroup_open() names them */
	struct state_container *containers;
	size_t n_containers;
};

/*
 * -EINVAL, naming the ID, unless @id is [A-Za-z0-9][A-Za-z0-9_.-]+ of at most 128 bytes:
 * what Kata's runtime and agent take.
 */
int state_check_id(const char *id, struct err *err);

/* The same of a further process, which may have one letter: containerd's clients use such. */
bool state_process_id_ok(const char *id);

/* An empty state. Never NULL. */
struct sandbox_state *state_new(const char *root, const char *id);
void state_free(struct sandbox_state *st);

/*
 * Make <root>/<id> and the first state file: -EEXIST "container <id> already exists".
 * A directory without one, where the shim listens before it has a sandbox, is taken.
 */
int state_create(const struct sandbox_state *st, struct err *err);

/* Write the file: the journal of what has to be cleared up, so before that is made. */
int state_save(const struct sandbox_state *st, struct err *err);

/*
 * The state of the sandbox that container @id is in. -ENOENT: "container <id> does not
 * exist". -EINVAL, naming the file, for one that is no state of a sandbox in this version.
 */
int state_load(const char *root, const char *id, struct sandbox_state **st, struct err *err);

/* The same for the container itself: a sandbox's own may have been deleted before others. */
int state_load_container(const char *root, const char *id, struct sandbox_state **st,
			 struct err *err);

/*
 * A container in the sandbox of another is a member of it: <root>/<id> is a symbolic link
 * to the sandbox's directory, so that it is found under its own ID, and the ID is taken.
 * -EEXIST "container <id> already exists". Of the sandbox's first container, which has its
 * ID, nothing is to be made. The container is in the state file before.
 */
int state_add_member(const struct sandbox_state *st, const char *id, struct err *err);
void state_remove_member(const struct sandbox_state *st, const char *id);
/* Those of all containers of @st. */
void state_remove_members(const struct sandbox_state *st);

/* The sandbox that @id is a member of; NULL: of none. The caller frees. */
char *state_sandbox_of(const char *root, const char *id);

/* Remove the link of a member whose sandbox is no more; true when that was so. */
bool state_drop_dangling(const char *root, const char *id);

/* Has <root>/<id> a state file, whatever is in it? */
bool state_exists(const char *root, const char *id);

/*
 * Who makes or removes a directory without a state has @root alone meanwhile: of two that
 * find the same abandoned one the second would otherwise remove what the first has just
 * made. A descriptor that holds it; -EBUSY after 5 s.
 */
int state_lock_root(const char *root, struct err *err);

/* Remove <root>/<id> as one step, so that nobody makes it anew while it is emptied. */
int state_remove_dir(const char *root, const char *id, struct err *err);

/*
 * Remove <root>/<id> if a shim left it that was killed before its sandbox had a state: its
 * socket is there, refuses, and nothing is beside it that shims do not make. @id is valid.
 * @lock is state_lock_root()'s, or -1: not held. 1 when nothing is there any more, 0 when
 * something else is; an error when it cannot be removed.
 */
int state_drop_abandoned(const char *root, const char *id, int lock, struct err *err);

/* The sandboxes below @root, sorted; an absent root is an empty list. */
int state_list(const char *root, struct strv *ids, struct err *err);

struct state_container *state_find_container(struct sandbox_state *st, const char *id);
struct state_container *state_add_container(struct sandbox_state *st, const char *id);
void state_remove_container(struct sandbox_state *st, const char *id);
/* @pid must be there: the time it started at is looked up. */
void state_add_process(struct sandbox_state *st, const char *name, pid_t pid);
void state_remove_process(struct sandbox_state *st, pid_t pid);

/*
 * Enter into a list of the journal, once: an entry that is there stays alone.
 * state_forget() takes it out when the thing is gone.
 */
void state_note(struct strv *list, const char *entry);
void state_forget(struct strv *list, const char *entry);

/* True while the shim that wrote the state is alive. */
bool state_shim_alive(const struct sandbox_state *st);

/*
 * Clear up after a sandbox whose shim is gone, or kill the shim first when
 * @force (-EBUSY otherwise): processes (SIGKILL, waited for up to 2 s),
 * mounts, directories, control groups, and at last the state directory.
 * Blocking; for `delete`. Does all it can and reports the first thing that
 * failed; the state directory stays then, so that it can be tried again.
 *
 * What was mounted in the shim's own mount namespace has gone with that;
 * whatever is visible here is unmounted, never removed through.
 */
int state_clear(struct sandbox_state *st, bool force, struct err *err);

/*
 * Of a sandbox whose shim is gone, forget container @id; with its last one the sandbox is
 * cleared.
 */
int state_clear_container(struct sandbox_state *st, const char *id, struct err *err);

/*
 * Of a sandbox whose state file cannot be read what can be found by its name: its shim, with
 * which all its processes end, directories, the bundle and the control group of its first
 * container. For state_clear(). -EINVAL for a member of another sandbox.
 */
int state_salvage(const char *root, const char *id, struct sandbox_state **st, struct err *err);

#endif
