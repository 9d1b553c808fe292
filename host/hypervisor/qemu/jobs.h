/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a running QEMU by several commands, one after the other, and
 * undone again when one of them fails: plugging, unplugging, resizing. One job is
 * worked on at a time, so that none finds the machine half changed by another.
 */
#ifndef HOST_HYPERVISOR_QEMU_JOBS_H
#define HOST_HYPERVISOR_QEMU_JOBS_H

#include <json-c/json.h>

#include "base/list.h"
#include "host/hypervisor/hypervisor.h"
#include "host/hypervisor/qmp.h"

/* How long the guest may take to let go of a device. */
#define JOB_GUEST_MS 5000

struct jobs;
struct job;

/*
 * A job is embedded at the head of a struct of its kind. @begin sends its first command;
 * its end is job_end(), after which it is released with free_job. @fail tells its caller
 * that it did not come to an end, with @err; it does not release.
 */
struct job_ops {
	void (*begin)(struct job *job);
	void (*fail)(struct job *job, const struct err *err);
	void (*free)(struct job *job);
};

struct job {
	struct list link;
	struct jobs *jobs;
	const struct job_ops *ops;
	/* job_delete_device() */
	const char *device; /* NULL: no end is waited for */
	void (*on_gone)(struct job *job, const struct err *err);
	struct loop_source *limit;
	bool answered, deleted; /* the command; the device */
	struct err refused;	/* by the guest */
};

struct disk;

struct jobs {
	struct vm *vm;
	struct qmp **qmp;  /* the driver's; NULL: the machine has ended */
	struct list queue; /* struct job; the first is worked on */
	struct loop_source *next;
	struct list disks; /* struct disk, plug.c */
	struct list cards; /* struct card, plug_net.c */
	unsigned vcpus;	   /* what the machine has */
	uint64_t memory;   /* MiB, with what was plugged in */
	unsigned dimms;	   /* how many were plugged in, ever */
	int guest_ms;	   /* JOB_GUEST_MS, for all waits for the guest */
};

void jobs_init(struct jobs *jobs, struct vm *vm, struct qmp **qmp);

/* Begin @job when its turn has come. */
void jobs_add(struct jobs *jobs, struct job *job, const struct job_ops *ops);

/* An event of QEMU's: DEVICE_DELETED and the like. */
void jobs_event(struct jobs *jobs, const char *name, struct json_object *data);

/* The machine has ended: all jobs fail with @why. */
void jobs_fail(struct jobs *jobs, const struct err *why);

/* Release everything without any callback. */
void jobs_free(struct jobs *jobs);

/* The job is over: release it, and begin the next from the loop. */
void job_end(struct job *job);

/* Send a command; @done gets the job. */
void job_command(struct job *job, const char *name, struct json_object *arguments, qmp_done done);

/* The same, with the descriptor @fd (borrowed). */
void job_command_fd(struct job *job, const char *name, struct json_object *arguments, int fd,
		    qmp_done done);

/* device_del for @id (borrowed), then wait for its end; @gone is told, -ETIMEDOUT past the limit. */
void job_delete_device(struct job *job, const char *id,
		       void (*gone)(struct job *job, const struct err *err));

/* "{"KEY": VALUE, …}" of strings: pairs, ended by NULL. */
struct json_object *job_strings(const char *key, ...) __attribute__((sentinel));

/* The operations of the driver (plug.c, resize.c). */
void jobs_plug(struct jobs *jobs, const struct vm_dev *dev, vm_plug_done done, void *arg);
void jobs_unplug(struct jobs *jobs, const char *id, vm_done done, void *arg);
void jobs_resize(struct jobs *jobs, unsigned vcpus, uint64_t memory, vm_resize_done done,
		 void *arg);
void jobs_forget_disks(struct jobs *jobs);

/* The same of network cards (plug_net.c). False: there is none of that name. */
void jobs_plug_net(struct jobs *jobs, const struct vm_dev *dev, vm_plug_done done, void *arg);
bool jobs_unplug_net(struct jobs *jobs, const char *id, vm_done done, void *arg);
bool jobs_card_gone(struct jobs *jobs, const char *id);
void jobs_forget_cards(struct jobs *jobs);

/* Whether a place behind the bridges is taken by one, or by a disk. */
bool jobs_card_at(struct jobs *jobs, unsigned place);
bool jobs_disk_at(struct jobs *jobs, unsigned place);

/* The guest has let go of the device @id after all, when nobody waited for it any more. */
void jobs_gone(struct jobs *jobs, const char *id);

#endif
