/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MMIO transport (virtio 1.2, section 4.2), version 2 registers only. It knows
 * nothing of KVM: the machine routes accesses to its page here, ties the queues' kick
 * descriptors to writes of QueueNotify, and interrupts to a line, so tests drive it as they
 * like.
 */
#ifndef VMM_VIRTIO_MMIO_H
#define VMM_VIRTIO_MMIO_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/virtio/device.h"

#define VIRTIO_MMIO_SIZE   0x1000 /* of the register page */
#define VIRTIO_MMIO_NOTIFY 0x50	  /* QueueNotify: 32-bit writes of the queue's number */

struct virtio_mmio;

/*
 * A transport for @dev (owned from now on, also on failure) on @dev->loop. NULL and @err
 * when descriptors are out.
 */
struct virtio_mmio *virtio_mmio_new(struct virtio_device *dev, struct err *err);
/* On the loop's thread, when no processor runs any more. Resets and frees the device. */
void virtio_mmio_free(struct virtio_mmio *t);

/*
 * An access of a processor: @offset in the page, @len 1, 2, 4 or 8. From any thread. What
 * the guest must not do reads as 0 and writes nothing.
 *
 * Writing 0 into Status resets: a running device is the loop's, so the caller waits until
 * the loop has done it (on the loop's own thread it is done at once), for VIRTIO_MMIO_WAIT_MS
 * at most; until then Status does not read as 0 and writes change nothing.
 */
#define VIRTIO_MMIO_WAIT_MS 5000
void virtio_mmio_read(struct virtio_mmio *t, uint64_t offset, void *data, uint32_t len);
void virtio_mmio_write(struct virtio_mmio *t, uint64_t offset, const void *data, uint32_t len);

/*
 * Do at once what waits for the loop. For the loop's thread before it waits itself for a
 * processor, which may be waiting for the loop.
 */
void virtio_mmio_settle(struct virtio_mmio *t);

/*
 * Interrupts by @raise(@arg, @line), on the loop's thread, each an edge; without this call,
 * or once the device was handed over, by the eventfd below.
 */
void virtio_mmio_set_line(struct virtio_mmio *t, void (*raise)(void *arg, uint32_t line), void *arg,
			  uint32_t line);

/* eventfds: for KVM_IOEVENTFD (one for each queue) and KVM_IRQFD (edge). Borrowed. */
int virtio_mmio_kick_fd(const struct virtio_mmio *t, unsigned queue);
int virtio_mmio_interrupt_fd(const struct virtio_mmio *t);
struct virtio_device *virtio_mmio_device(const struct virtio_mmio *t);

#endif
