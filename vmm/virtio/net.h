/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network device (virtio 1.2, section 5.1) on a tap: one pair of queues. Frames go
 * between the tap and the guest's buffers in one copy, by readv() and writev(); checksums
 * and segments are left to whoever can do without them.
 *
 * What the guest sends is the network's to distrust: its headers go to the host's kernel,
 * which checks them, as they are.
 */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/virtio/device.h"

struct virtio_net_setup {
	int tap; /* see tap.h; taken over, on failure too */
	bool has_mac;
	uint8_t mac[6];		 /* without one the guest chooses */
	uint16_t mtu;		 /* told to the guest; 0: not */
	uint64_t rx_bps, tx_bps; /* bytes a second, as the guest sees it; 0: no limit */
};

struct virtio_net_counters {
	uint64_t rx_frames, rx_bytes, rx_dropped; /* to the guest */
	uint64_t tx_frames, tx_bytes, tx_dropped;
};

struct virtio_device *virtio_net_new(const struct virtio_net_setup *setup, const char *id,
				     struct loop *loop, const struct memory *mem, struct err *err);

/* Of a device that virtio_net_new() made; valid as long as it is. */
const struct virtio_net_counters *virtio_net_counters(const struct virtio_device *dev);

#endif
