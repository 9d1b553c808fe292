/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bind mounts of a container whose machine shares no files with the host: files and
 * directories are copied into the guest. What Kubernetes changes while a container runs
 * (secrets, configuration maps, the downward API, projections of these) is copied again
 * when it does; an emptyDir is the guest's own (empty_dir.h).
 */
#ifndef HOST_SANDBOX_VOLUME_H
#define HOST_SANDBOX_VOLUME_H

#include <stdbool.h>

#include "base/err.h"
#include "host/sandbox/sandbox.h"
#include "host/storage/source.h"
#include "proto/agent.pb-c.h"

/* What is copied for one mount; it takes the guest's memory. */
#define VOLUME_BYTES_MAX (32 << 20)
#define VOLUME_FILES_MAX 4096

/* Whether the mount @m is of something that the guest gets from here. */
bool volume_is_ours(const Grpc__Mount *m);

enum volume_kind {
	VOLUME_COPY,  /* once */
	VOLUME_WATCH, /* and again, when it changes */
	VOLUME_LOCAL, /* not at all: an emptyDir */
};

/*
 * What becomes of the mount @m, whose source is looked for in @place. Names it, and why it
 * cannot be, in @err: -EOPNOTSUPP for a directory that is written to and for what is neither
 * file nor directory, -E2BIG for what is too large.
 */
int volume_kind(const struct source_place *place, const Grpc__Mount *m, enum volume_kind *kind,
		struct err *err);

/* The same for all mounts of @spec, before there is a machine. */
int volumes_check(const struct source_place *place, const Grpc__Spec *spec, struct err *err);

struct sandbox;
struct container;
struct volumes;

/*
 * Copy those of @spec but for emptyDirs, whose mounts then name the guest's paths, and keep them fresh as
 * long as the container is there. @spec is borrowed until @done.
 */
void volumes_copy(struct sandbox *sb, struct container *c, const struct source_place *place,
		  Grpc__Spec *spec, sandbox_done done, void *arg);

/* Forget them: nothing is copied any more. NULL is allowed. */
void volumes_free(struct volumes *v);

#endif
