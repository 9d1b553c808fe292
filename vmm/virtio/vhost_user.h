/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's work done by another process: the front end of the vhost-user protocol (QEMU's
 * documentation, interop/vhost-user). The other process maps guest memory, takes kicks and
 * raises interrupts itself; here it is only told where the rings are, and when to stop.
 *
 * It is trusted with guest memory and nothing else: no address of this process is told to
 * it (guest addresses serve as the protocol's user addresses), and every wait for it ends.
 *
 * All functions return 0 or -errno: -ETIMEDOUT, -EPROTO for an answer that is none,
 * -ECONNRESET and the like when it is gone. After any of them the connection is of no use.
 */
#ifndef VMM_VIRTIO_VHOST_USER_H
#define VMM_VIRTIO_VHOST_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/memory.h"
#include "vmm/virtio/queue.h"

#define VHOST_USER_WAIT_MS 3000

struct vhost_user {
	int fd;
	uint64_t features; /* what it offers for the device */
	bool enables;	   /* its rings rest until they are enabled */
	int64_t deadline_ms;
};

/*
 * An exchange begins: all calls up to the next of these have VHOST_USER_WAIT_MS together,
 * however many messages they are and in whatever pieces answers come.
 */
void vhost_user_begin(struct vhost_user *u);

/* Greet the back end at the other end of @fd, which stays the caller's; an exchange by itself. */
int vhost_user_open(struct vhost_user *u, int fd, struct err *err);

/* The features that the driver has chosen. */
int vhost_user_set_features(struct vhost_user *u, uint64_t features);

/* Where guest memory is. It has to be shared. */
int vhost_user_set_memory(struct vhost_user *u, const struct memory *mem);

/* Serve the ring of @q, from available index @base on, with these two eventfds. */
int vhost_user_start_ring(struct vhost_user *u, uint32_t index, const struct virtq *q,
			  uint16_t base, int kick, int call);

/* When it returns 0 nothing touches the ring any more, and *@base is where it went on. */
int vhost_user_stop_ring(struct vhost_user *u, uint32_t index, uint16_t *base);

#endif
