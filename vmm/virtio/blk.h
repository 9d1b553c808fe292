/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block device (virtio 1.2, section 5.2) on a regular file or a block device: reads,
 * writes, flushes, discards, zeroes. How a request meets the file is blk_io.h's matter.
 */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include <stdbool.h>

#include "base/err.h"
#include "vmm/virtio/blk_io.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/rate.h"

struct virtio_blk_setup {
	int fd; /* taken over, on success and failure alike; a read-only one makes the disk so */
	bool read_only;
	bool direct;   /* past the page cache: O_DIRECT is set on the open file */
	bool no_flush; /* a guest's flush is said to be done and is not: fast, and unsafe */
	enum blk_engine engine;
	const char *serial; /* up to 20 bytes, of VIRTIO_BLK_T_GET_ID; NULL: the ID */
	struct rate_limits limits;
};

/*
 * -EINVAL and @err when the file is no disk: not a regular file or block device, empty, not
 * whole sectors of 512 bytes, or without direct I/O that was asked for.
 */
struct virtio_device *virtio_blk_new(const struct virtio_blk_setup *setup, const char *id,
				     struct loop *loop, const struct memory *mem, struct err *err);

#endif
