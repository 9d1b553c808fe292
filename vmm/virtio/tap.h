/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tap device's descriptor: frames, each behind a header of virtio (struct
 * virtio_net_hdr_mrg_rxbuf, 12 bytes) that says what is left to do for it – a checksum, a
 * cut into segments – so that the guest and the host's kernel leave that to each other.
 *
 * A datagram socket is as good, with another program behind it that knows these headers.
 */
#ifndef VMM_VIRTIO_TAP_H
#define VMM_VIRTIO_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct tap {
	int fd;
	bool is_socket;	   /* nothing can be set */
	unsigned offloads; /* TUN_F_*: those that it has */
};

/* Open the tap device @name, or make one that goes with its descriptor. It or -errno. */
int tap_open(const char *name, struct err *err);

/* Check and prepare the descriptor @fd (borrowed), from tap_open() or inherited. */
int tap_init(struct tap *tap, int fd, struct err *err);

/*
 * What whoever reads frames can take that is not finished (TUN_F_*, of tap.offloads), and
 * throw away the frames that wait: they may have been made for another. 0 or -errno.
 */
int tap_set_offloads(const struct tap *tap, unsigned offloads);

#endif
