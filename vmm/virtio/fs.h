/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system device (virtio 1.2, section 5.11), whose files another process serves
 * (virtiofsd) by vhost-user: the guest kicks it and is interrupted by it without a detour
 * through this process.
 *
 * A server inside the monitor would take chains from the same queues in kick() instead.
 */
#ifndef VMM_VIRTIO_FS_H
#define VMM_VIRTIO_FS_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/virtio/device.h"

#define VIRTIO_FS_TAG_MAX	     36
#define VIRTIO_FS_QUEUE_SIZE_MAX     1024
#define VIRTIO_FS_QUEUE_SIZE_DEFAULT 1024

struct virtio_fs_setup {
	int server;	     /* a connected socket to it; taken over */
	const char *tag;     /* by which the guest mounts it */
	uint16_t queue_size; /* 0: the default; a power of two */
};

/*
 * NULL and @err when the tag or the size cannot be, memory is not shared, or the server
 * does not answer within VHOST_USER_WAIT_MS.
 */
struct virtio_device *virtio_fs_new(const struct virtio_fs_setup *setup, const char *id,
				    struct loop *loop, const struct memory *mem, struct err *err);

#endif
