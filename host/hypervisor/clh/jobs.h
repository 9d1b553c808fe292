/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a running machine of Cloud Hypervisor: disks and networks come and go, it
 * gets more processors and memory. Each job asks once or several times; where the guest has
 * a say, it is looked at what it has done, within a limit.
 */
#ifndef HOST_HYPERVISOR_CLH_JOBS_H
#define HOST_HYPERVISOR_CLH_JOBS_H

#include "base/list.h"
#include "host/hypervisor/http.h"
#include "host/hypervisor/hypervisor.h"

#define CLH_ROOT "/api/v1"

/* How long an answer may take when a device comes or goes. */
#define CLH_PLUG_MS 5000

/* How long the guest may take to let go of a device or a processor, and how often to look. */
#define CLH_GUEST_MS 5000
#define CLH_LOOK_MS  20

struct clh_jobs {
	struct vm *vm;
	struct http **http; /* the driver's; NULL: the machine is not there */
	struct list jobs;   /* struct job, jobs.c */
	unsigned vcpus;	    /* what the machine has */
	uint64_t memory;    /* MiB */
	unsigned plugged;   /* how often memory was plugged in */
	bool rests;	    /* paused */
	int guest_ms;	    /* CLH_GUEST_MS */
};

void clh_jobs_init(struct clh_jobs *jobs, struct vm *vm, struct http **http);

/* As the operations of the driver. */
void clh_jobs_plug(struct clh_jobs *jobs, const struct vm_dev *dev, vm_plug_done done, void *arg);
void clh_jobs_unplug(struct clh_jobs *jobs, const char *id, vm_done done, void *arg);
void clh_jobs_resize(struct clh_jobs *jobs, unsigned vcpus, uint64_t memory, vm_resize_done done,
		     void *arg);
void clh_jobs_rest(struct clh_jobs *jobs, bool rest, vm_done done, void *arg);

/* The machine has ended: those that wait for the guest fail (http_fail() does the others). */
void clh_jobs_fail(struct clh_jobs *jobs, const struct err *why);

/* Release everything without any callback; after http_free(). */
void clh_jobs_free(struct clh_jobs *jobs);

#endif
