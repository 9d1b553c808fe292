/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console device (virtio 1.2, section 5.3) with one port: the guest's terminal on a
 * terminal, a file, a pipe, a socket, or whoever connects.
 *
 * A guest that prints must not wait for a reader, or its processors hang: for one that is
 * slow or not there yet the newest output is kept (backlog.h), the rest is dropped, and that is said
 * once.
 */
#ifndef VMM_VIRTIO_CONSOLE_H
#define VMM_VIRTIO_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/virtio/device.h"

struct virtio_console_setup {
	/* Taken over, on failure too. Nothing is asked of how they block. */
	int in, out;		/* -1: none; may be the same */
	int listener;		/* or a unix stream socket, for one caller at a time; -1 */
	uint16_t columns, rows; /* of a terminal; 0: not told */

	/*
	 * Optional: sees all that comes from @in, and returns how many of the @n bytes, moved
	 * to the front, are for the guest. With it input that nobody takes is dropped; else
	 * it waits where it comes from.
	 */
	size_t (*keys)(void *arg, uint8_t *buf, size_t n);
	void *arg;
};

struct virtio_device *virtio_console_new(const struct virtio_console_setup *setup, const char *id,
					 struct loop *loop, const struct memory *mem,
					 struct err *err);

#endif
