/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting by descriptors: fsopen(2), open_tree(2), mount_setattr(2), move_mount(2). */
#ifndef AGENT_MOUNTS_H
#define AGENT_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/agent/mount_options.h"
#include "proto/oci.pb-c.h"

/*
 * A new, not yet attached mount of @fstype. @source may be NULL; @first is an
 * option before those of @o, or NULL. Descriptor or -errno; the message holds
 * what the file system said.
 */
int mount_new(const char *fstype, const char *source, const char *first,
	      const struct mount_options *o, struct err *err);

/* Change the options of the file system that is mounted at @path to those of @o. */
int mount_again(const char *path, const struct mount_options *o, struct err *err);

/* A not yet attached copy of the mount at @path (relative to @dirfd; "" is @dirfd itself). */
int mount_copy(int dirfd, const char *path, bool recursive, struct err *err);

/* Set the attributes and the propagation of @o on the mount @fd. */
int mount_change(int fd, const struct mount_options *o, struct err *err);

/* Attach the mount @fd at @target, a descriptor. */
int mount_attach(int fd, int target, const char *what, struct err *err);

/* Make the mount @fd read-only, with all below it if @recursive. */
int mount_read_only(int fd, bool recursive, struct err *err);

/* Bind the file or directory @source over @target, both descriptors, with what is below it. */
int mount_bind_fd(int source, int target, const char *what, struct err *err);

/*
 * Carry out @m of the specification below the container's root directory @root.
 * @source is what sources_open() has for it, or -1 (taken over); @label that of
 * label_of_mounts().
 */
int mount_spec(int root, const Grpc__Mount *m, int source, const char *label, struct err *err);

#endif
