/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory balloon (virtio 1.2, section 5.5): memory that the guest does without goes
 * back to the host. It gives up as much as is asked for (and takes it back rather than run
 * out of memory), and, if wanted, reports what is free all by itself.
 *
 * Nothing is reserved for a page's return: the guest touches it, and it is there again.
 */
#ifndef VMM_VIRTIO_BALLOON_H
#define VMM_VIRTIO_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/virtio/device.h"

struct virtio_balloon_setup {
	uint64_t mib;	/* to be given up from the start */
	bool reporting; /* free pages come back unasked, whatever the size */
};

struct virtio_device *virtio_balloon_new(const struct virtio_balloon_setup *setup, const char *id,
					 struct loop *loop, const struct memory *mem,
					 struct err *err);

/* On the loop's thread, of a device that virtio_balloon_new() made. */

/* Ask the guest to give up @mib in all. -ERANGE and @err: it has no more than less. */
int virtio_balloon_resize(struct virtio_device *dev, uint64_t mib, struct err *err);

struct virtio_balloon_counters {
	uint64_t inflated, deflated; /* pages of 4 KiB that the guest told of, in all */
	uint64_t reported;	     /* bytes */
	uint64_t free, available;    /* bytes, as the guest last said; UINT64_MAX: never */
};

/* Also asks the guest anew, for the next call. */
const struct virtio_balloon_counters *virtio_balloon_counters(struct virtio_device *dev);

#endif
