/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register file of the MMIO transport (virtio 1.2, section 4.2.2), version 2 only: what
 * a driver reads and writes, and who has the device just then. It does nothing by itself:
 * an access says what is to follow, and whoever owns it (mmio.h) sees to that.
 *
 * All of it is under the owner's lock, but for what is told to be atomic.
 */
#ifndef VMM_VIRTIO_REGISTERS_H
#define VMM_VIRTIO_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/virtio/device.h"

/*
 * Who has the device. A processor takes it from IDLE to STARTING and from anywhere to
 * RESETTING; only the loop takes it on from there.
 */
enum device_state { DEVICE_IDLE, DEVICE_STARTING, DEVICE_RUNNING, DEVICE_RESETTING };

/* What the driver says of one queue; a copy goes to the queue when the device starts. */
struct queue_registers {
	uint16_t size;
	bool ready;
	gpa_t desc, avail, used;
};

struct registers {
	struct virtio_device *dev; /* borrowed; only its constants are used, and its config */
	enum device_state state;
	bool config_written; /* the driver did, and the device does not know yet */
	uint32_t status, generation;
	uint32_t device_features_sel, driver_features_sel, queue_sel;
	uint64_t driver_features;
	struct queue_registers *queues; /* one for each of @dev */

	uint32_t interrupt_status; /* atomic: VIRTIO_MMIO_INT_* */
	/*
	 * Atomic: somebody else interrupts for used buffers, and does not tell us. So the
	 * status always says that there may be some, which costs the driver a look.
	 */
	uint32_t handed_over;
};

/* What a write asks of the owner. */
enum registers_wish {
	REGISTERS_NOTHING,
	REGISTERS_KICK,	 /* kick the queue whose number was written */
	REGISTERS_WORK,	 /* the loop finds something to do in @state or @config_written */
	REGISTERS_RESET, /* the same, and the access is over when @state is IDLE again */
};

void registers_init(struct registers *r, struct virtio_device *dev);
void registers_free(struct registers *r);

/* As a reset leaves them. The configuration space and its generation stay. */
void registers_forget(struct registers *r);

/*
 * An access: @offset in the page, @len 1, 2, 4 or 8. What the guest must not do reads as 0
 * and writes nothing. *@queue is the one to kick.
 */
void registers_read(const struct registers *r, uint64_t offset, void *data, uint32_t len);
enum registers_wish registers_write(struct registers *r, uint64_t offset, const void *data,
				    uint32_t len, unsigned *queue);

#endif
