/* SPDX-License-Identifier: Apache-2.0 */
/* A container's root file system as containerd's snapshotters describe it: mounts. */
#ifndef HOST_SHIM_ROOTFS_H
#define HOST_SHIM_ROOTFS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "host/sandbox/sandbox.h"
#include "proto/containerd_types.pb-c.h"

/*
 * Mount @mounts, of which there is at least one, at @target in their order;
 * makes the directory. On failure nothing stays mounted, and @err names the
 * mount that failed.
 */
int rootfs_mount(const char *target, Containerd__Types__Mount *const *mounts, size_t n,
		 struct err *err);

/* Take away everything that is mounted at @target, which may be in use still. */
void rootfs_unmount(const char *target);

/*
 * Whether @mounts are one file system on a block device, or in a file with the option
 * "loop": then it is described in @disk, which the caller frees, for the guest to mount.
 */
bool rootfs_is_disk(Containerd__Types__Mount *const *mounts, size_t n, struct sandbox_disk *disk);

#endif
