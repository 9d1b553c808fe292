/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes' emptyDir volumes that live in the guest, where the pod's containers share
 * them for as long as the pod lives: those in memory, of huge pages too, always, as it is the pod's
 * memory that they take; those on disk if the configuration says so, or if no files are shared. A subPath of
 * such a volume, which the kubelet mounts from a place of its own, is found in the same place.
 */
#ifndef HOST_SANDBOX_EMPTY_DIR_H
#define HOST_SANDBOX_EMPTY_DIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/storage/source.h"
#include "proto/agent.pb-c.h"

enum empty_dir_kind { EMPTY_DIR_NONE, EMPTY_DIR_DISK, EMPTY_DIR_MEMORY, EMPTY_DIR_HUGE };

struct empty_dir {
	enum empty_dir_kind kind;
	char *name;    /* of the volume, which is one file name */
	char *below;   /* the directory in it, "a/b"; "" for all of it */
	uint64_t size; /* of one in memory, in bytes; 0 for huge pages without a limit */
	uint64_t page; /* of one of huge pages: what each has, in bytes */
	uid_t uid;     /* owner, group and permissions of the directory */
	gid_t gid;
	mode_t mode;
};

/*
 * What the bind mount's source @path is. What cannot be found out is EMPTY_DIR_NONE. The caller
 * frees with empty_dir_free().
 */
void empty_dir_look(const struct source_place *place, const char *path, struct empty_dir *dir);
void empty_dir_free(struct empty_dir *dir);

/* The storages of a container that its mounts need. */
struct empty_dirs {
	Grpc__Storage **v;
	size_t n;
};

/*
 * Have the mounts of @spec that are such volumes name the guest's paths, and note in @dirs what
 * the agent makes there. One of huge pages has as many as the container may use of that size.
 * @disk: those on disk too. @memory is the machine's, in bytes: a larger
 * volume has no limit of its own.
 */
void empty_dirs_take(const struct source_place *place, Grpc__Spec *spec, bool disk, uint64_t memory,
		     struct empty_dirs *dirs);

/* Give the storages to @req, before what is there; @dirs is empty afterwards. */
void empty_dirs_request(struct empty_dirs *dirs, Grpc__CreateContainerRequest *req);

/* Forget those that were not given away. */
void empty_dirs_free(struct empty_dirs *dirs);

#endif
