/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory that a sandbox shares with its guest, laid out as Kata does:
 *
 *   <base>/mounts/<cid>/rootfs        the container's root, bind-mounted
 *   <base>/mounts/<cid>/<n>-<name>    its other bind mounts
 *   <base>/mounts/sandbox-mounts/<name>  what every sandbox gets
 *   <base>/shared                     what the guest sees: `mounts`, read-only
 *
 * with <base> = /run/kata-containers/shared/sandboxes/<sandbox>. The mounts made
 * in `mounts` appear in `shared` by propagation, each with its own flags. The
 * guest can write to those that are writable, but can put nothing beside them:
 * no symbolic link in the place of a mount point waits for the host.
 *
 * All mounts receive what the host unmounts later (slaves) and give nothing
 * back. They are made in the caller's mount namespace, which should be its own; what
 * they show is looked for where share_look_from() says.
 */
#ifndef HOST_STORAGE_SHARE_H
#define HOST_STORAGE_SHARE_H

#include <stdbool.h>

#include "base/err.h"
#include "host/storage/source.h"

/* Where the guest has it. */
#define SHARE_TAG	"kataShared"
#define SHARE_GUEST_DIR "/run/kata-containers/shared/containers/"

/* Beside the containers' directories. */
#define SHARE_SANDBOX_MOUNTS "sandbox-mounts"

struct share {
	char *base; /* all of it; to be in the journal before share_make() */
	char *mounts;
	char *shared; /* to be shared with the guest */
	struct source_place place;
};

/* Name the directory @base (absolute) without making it. Never NULL. */
struct share *share_new(const char *base);

/*
 * From now on sources are looked for in @place (copied, its descriptors are borrowed),
 * and not where the caller is.
 */
void share_look_from(struct share *share, const struct source_place *place);

/* Forget; nothing on disk changes. NULL is allowed. */
void share_free(struct share *share);

/* Make the directories and the read-only view. What a failure leaves, share_undo() removes. */
int share_make(const struct share *share, struct err *err);

/* Unmount and remove everything, at whatever stage. */
int share_undo(const struct share *share, struct err *err);

/*
 * Show the directory @rootfs with all that is mounted in it as the root of
 * container @id. On failure nothing of the container is left.
 */
int share_add_rootfs(const struct share *share, const char *id, const char *rootfs,
		     struct err *err);

/* As share_add_rootfs(), for one that the caller mounted in its own namespace. */
int share_add_own_rootfs(const struct share *share, const char *id, const char *rootfs,
			 struct err *err);

/*
 * Show the file or directory @source (and what is mounted in it) to container @id,
 * whose @n-th it is; @destination, its place in the container, lends the name.
 * @read_only holds against the guest's kernel too. *@guest_path is where the
 * guest finds it (the caller frees). On failure nothing new is left.
 */
int share_add_bind(const struct share *share, const char *id, unsigned n, const char *source,
		   const char *destination, bool read_only, char **guest_path, struct err *err);

/*
 * Show what @mount names, "PATH", "PATH:ro" or "PATH:rw", to the guest itself, in
 * SHARE_SANDBOX_MOUNTS by its last name; not to write to unless it ends in ":rw".
 * -EINVAL for a path that is not absolute or has no name, -EEXIST for a name twice.
 */
int share_add_sandbox(const struct share *share, const char *mount, struct err *err);

/* Take away all that share_add_*() made for container @id. Nothing there is success. */
int share_remove(const struct share *share, const char *id, struct err *err);

/* The guest's path of @id's root. The caller frees. */
char *share_guest_rootfs(const char *id);

#endif
