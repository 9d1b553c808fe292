/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entropy device (virtio 1.2, section 5.4): random bytes of the host's kernel. It is
 * also the shortest whole device, so the one to read first.
 */
#ifndef VMM_VIRTIO_RNG_H
#define VMM_VIRTIO_RNG_H

#include "base/err.h"
#include "vmm/virtio/device.h"

struct virtio_device *virtio_rng_new(const char *id, struct loop *loop, const struct memory *mem,
				     struct err *err);

#endif
