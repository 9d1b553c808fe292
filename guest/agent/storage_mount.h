/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting one storage, by its driver. May block: for jobs. */
#ifndef AGENT_STORAGE_MOUNT_H
#define AGENT_STORAGE_MOUNT_H

#include "base/err.h"
#include "proto/agent.pb-c.h"

/* @cid: the container that it is for; NULL for the sandbox. */
int storage_mount(const Grpc__Storage *s, const char *cid, struct err *err);

/* Change the options of a storage that is mounted, such as the size of a tmpfs. */
int storage_remount(const Grpc__Storage *s, struct err *err);

/* Unmount and remove the mount point if that leaves it empty. */
int storage_unmount(const char *mount_point, struct err *err);

/*
 * The option of an overlay whose writable part the agent makes, in this
 * directory, which is to be removed after its end. The caller frees.
 */
#define OVERLAY_RW "io.katacontainers.fs-opt.overlay-rw"
char *overlay_scratch(const Grpc__Storage *s, const char *cid);

#endif
