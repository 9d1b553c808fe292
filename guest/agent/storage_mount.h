/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting one storage, by its driver. May block: for jobs. */
#ifndef AGENT_STORAGE_MOUNT_H
#define AGENT_STORAGE_MOUNT_H

#include "base/err.h"
#include "proto/agent.pb-c.h"

int storage_mount(const Grpc__Storage *s, struct err *err);

/* Change the options of a storage that is mounted, such as the size of a tmpfs. */
int storage_remount(const Grpc__Storage *s, struct err *err);

/* Unmount and remove the mount point if that leaves it empty. */
int storage_unmount(const char *mount_point, struct err *err);

#endif
