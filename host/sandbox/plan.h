/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: what the agent is asked for, from configuration and specification.
 * Pure: no file is looked at, nothing is made. Names, numbers and what is left
 * out of a specification are Kata's (virtcontainers/kata_agent.go).
 */
#ifndef HOST_SANDBOX_PLAN_H
#define HOST_SANDBOX_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "host/config/config.h"
#include "proto/agent.pb-c.h"

/* What the pod's containers share in the guest, its shared memory among it. */
#define PLAN_GUEST_SANDBOX "/run/kata-containers/sandbox"
#define PLAN_GUEST_SHM	   PLAN_GUEST_SANDBOX "/shm"

/* The size of a /dev/shm that nobody gave one, in bytes. */
#define PLAN_SHM_DEFAULT (UINT64_C(64) << 20)

/* What a sandbox has that its containers build on. Strings are borrowed. */
struct plan_guest {
	const struct config *config;
	const char *sandbox_id;
	const char *share_dir; /* on the host; NULL: nothing is shared */
	bool local;	       /* HV_CAP_LOCAL: the agent sees share_dir itself */
	uint64_t shm_size;     /* bytes; 0: no shared memory for the sandbox */
};

/*
 * The size of the sandbox's shared memory after its first container's /dev/shm:
 * 0 without such a mount. When it is a bind mount, whose size only the file system
 * knows, *@source is that path, else NULL.
 */
uint64_t plan_shm_size(const Grpc__Spec *spec, const char **source);

/* CreateSandbox for the first container @spec. The caller frees with …__free_unpacked(). */
Grpc__CreateSandboxRequest *plan_sandbox(const struct plan_guest *guest, const Grpc__Spec *spec);

enum plan_mount {
	PLAN_MOUNT_GUEST,	  /* the guest makes it of its own */
	PLAN_MOUNT_SHARE,	  /* a bind mount of something of the host */
	PLAN_MOUNT_SHARE_IF_FILE, /* the same below /dev: only a regular file is shared */
};

enum plan_mount plan_mount(const Grpc__Mount *mount);

/* Whether its options say "ro": then the guest itself cannot write to it either. */
bool plan_mount_read_only(const Grpc__Mount *mount);

/*
 * Take the hooks that are run on the host out of @spec; the caller frees them, NULL: none.
 * startContainer's stay: they are run in the container, by the agent.
 */
Grpc__Hooks *plan_take_hooks(Grpc__Spec *spec);

/*
 * Reduce @spec, whose shared mounts have their guest paths already, to what makes
 * sense in the guest, with its root at @rootfs there. *@sandbox_pidns: it shares the
 * sandbox's pid namespace. -EINVAL for one without process or root.
 */
int plan_container(const struct plan_guest *guest, const char *rootfs, Grpc__Spec *spec,
		   bool *sandbox_pidns, struct err *err);

/* The same for another process of a container. */
int plan_process(const struct config *config, Grpc__Process *process, struct err *err);

/* A copy. The caller frees with grpc__spec__free_unpacked(). */
Grpc__Spec *plan_copy(const Grpc__Spec *spec);

/* Replace the string *@field of an unpacked message by a copy of @value. */
void plan_set(char **field, const char *value);

#endif
