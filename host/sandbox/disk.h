/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices of the host on their way to containers: which of them a specification
 * asks for, one plugged-in disk for all containers that have it, and how the agent is
 * told of it.
 */
#ifndef HOST_SANDBOX_DISK_H
#define HOST_SANDBOX_DISK_H

#include "base/err.h"
#include "host/hypervisor/hypervisor.h"
#include "host/sandbox/sandbox.h"
#include "host/storage/direct_volume.h"
#include "host/storage/image/image.h"
#include "proto/agent.pb-c.h"

/* Where the guest mounts a root file system that is a disk: this and the container's ID. */
#define DISK_GUEST_ROOT "/run/kata-containers/sandbox/rootfs/"

enum disk_use {
	DISK_ROOT,  /* the root file system */
	DISK_LOWER, /* an image below it */
	DISK_UPPER, /* what is written to above those */
	DISK_DEVICE,
	DISK_VOLUME, /* a file system that the guest mounts in the place of a mount */
};

/* One disk that a container wants. */
struct disk_want {
	enum disk_use use;
	char *path; /* on the host */
	int fd;	    /* borrowed: what keeps it ours as long as it is plugged in; -1: nothing */
	bool read_only;
	char *device; /* DISK_DEVICE: its place in the container */
	char *source; /* DISK_VOLUME: what the mount named, and where the guest has it */
	char *mount_point;
	struct direct_volume volume;
	struct vm_place at; /* once it is plugged in */
};

/* All of them. The root comes first. */
struct disk_plan {
	struct disk_want *v;
	size_t n, next;		  /* the first that is not plugged in */
	struct sandbox_disk root; /* copied; source NULL: the root is no disk */
};

/* Where the guest mounts a direct volume: this and the volume's path in base64. */
#define DISK_GUEST_VOLUMES "/run/kata-containers/sandbox/storage/"

/*
 * What @spec wants: its root, which is the disk @root or the disks of @image (either may be
 * NULL or empty, for none), its linux.devices that are block devices, and bind
 * mounts of such device nodes, which become linux.devices, and of direct volumes
 * (host/storage/direct_volume.h), which then name the guest's path. @can_plug: the machine takes
 * disks; without it -ENOTSUP for what wants one. A container that may use all devices
 * (privileged) is given none of the host's disks: those leave @spec.
 */
int disk_plan(const struct sandbox_disk *root, const struct image_root *image, bool can_plug,
	      Grpc__Spec *spec, struct disk_plan *plan, struct err *err);
void disk_plan_free(struct disk_plan *plan);

/* Tell the agent, for container @id: storages and devices of @req, which it then owns. */
void disk_plan_request(const struct disk_plan *plan, const char *id,
		       Grpc__CreateContainerRequest *req);

/* Release what disk_plan_request() made. */
void disk_plan_unrequest(Grpc__CreateContainerRequest *req);

struct container;

/*
 * For a machine that takes disks when it starts and never again: put those that the first
 * container wants into sb->vm_spec. Once the machine is made, disks_placed() asks where
 * the guest has them; disks_attach() finds them plugged in then.
 */
int disks_at_boot(struct sandbox *sb, const Grpc__Spec *spec, struct err *err);
void disks_placed(struct sandbox *sb);

/*
 * Plug in all of @plan (borrowed until @done) for @c, or find it plugged in already. On
 * failure disks_detach() gives back what was had until then.
 */
void disks_attach(struct sandbox *sb, struct container *c, struct disk_plan *plan,
		  sandbox_done done, void *arg);

/*
 * Give back all that @c has; what nobody has any more is taken from the machine. What
 * does not go is told in the log and no failure: it ends with the machine.
 */
void disks_detach(struct sandbox *sb, struct container *c, sandbox_done done, void *arg);

/* The machine has ended, and all disks with it. */
void disks_end(struct sandbox *sb);

#endif
