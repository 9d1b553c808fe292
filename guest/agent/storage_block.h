/* SPDX-License-Identifier: Apache-2.0 */
/* Storages on disks. All of it blocks: for jobs. */
#ifndef AGENT_STORAGE_BLOCK_H
#define AGENT_STORAGE_BLOCK_H

#include <stdbool.h>

#include "base/err.h"
#include "proto/agent.pb-c.h"

/* Whether @driver names disks: blk, mmioblk, scsi, nvdimm. */
bool block_driver(const char *driver);

/*
 * The node of the disk that @source names in the way of @driver, once it is
 * there (device_wait.h). @node may be NULL; the caller frees it.
 */
int block_node(const char *driver, const char *source, char **node, struct err *err);

/* Make the file system that the driver options of @s ask for, if any, on @node. */
int block_prepare(const Grpc__Storage *s, const char *node, struct err *err);

/*
 * Have the file system at @path (ext4 or xfs) fill @size bytes of its disk,
 * once the disk has got that large. Never makes it smaller.
 */
int block_resize(const char *path, uint64_t size, struct err *err);

#endif
