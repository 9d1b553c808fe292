/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a running machine: disks that come and go, and its rest. The machine has its disks' places from the
 * start; what is plugged in takes one that is free, and an empty one is a disk of size 0.
 */
#ifndef HOST_HYPERVISOR_STRATOVIRT_SLOTS_H
#define HOST_HYPERVISOR_STRATOVIRT_SLOTS_H

#include "base/list.h"
#include "host/hypervisor/qmp.h"
#include "host/hypervisor/stratovirt/args.h"

struct slots {
	const struct vm_spec *spec;
	struct loop *loop;
	struct qmp **qmp;		/* the driver's; NULL: nothing can be asked */
	char *id[STRATOVIRT_DISKS];	/* of the disk there; NULL: free */
	bool settled[STRATOVIRT_DISKS]; /* the disk is there, and nobody changes that */
	bool rests;			/* the whole machine */
	struct work *active;		/* what is being done; one at a time */
	struct list work;		/* struct work: what waits for an answer */
};

/* The places of the root image and of spec->disks are taken. */
void slots_init(struct slots *s, const struct vm_spec *spec, struct loop *loop, struct qmp **qmp);

/* As vm_plug() and vm_unplug(). */
void slots_plug(struct slots *s, const struct vm_dev *dev, vm_plug_done done, void *arg);
void slots_unplug(struct slots *s, const char *id, vm_done done, void *arg);

/* As vm_pause() and vm_resume(). */
void slots_rest(struct slots *s, bool rests, vm_done done, void *arg);

/* The monitor has ended: what waits fails with @why. The qmp is gone before. */
void slots_fail(struct slots *s, const struct err *why);

/* Release, without any callback. The qmp is gone before. */
void slots_free(struct slots *s);

#endif
