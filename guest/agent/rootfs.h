/* SPDX-License-Identifier: Apache-2.0 */
/* The container's view of the file system, made in its own mount namespace. */
#ifndef AGENT_ROOTFS_H
#define AGENT_ROOTFS_H

#include "base/err.h"
#include "guest/agent/launch.h"

/*
 * Build what the specification's root, mounts and devices say, up to the point
 * where the container's root is complete but not yet entered. Returns a
 * descriptor of that root or -errno.
 */
int rootfs_build(const struct launch *l, struct err *err);

/* Make @root (of rootfs_build()) "/" and let go of the old one. */
int rootfs_enter(int root, const struct launch *l, struct err *err);

/* Hide masked paths, make read-only what has to be. The last change of the file system. */
int rootfs_seal(const struct launch *l, struct err *err);

#endif
