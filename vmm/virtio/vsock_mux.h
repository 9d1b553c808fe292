/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket device in parts: this one brings packets of many streams through one pair of
 * queues. vsock_host.h is the side of the unix sockets, vsock.c that of the transport.
 *
 * Streams that have something for the guest wait in one line and take turns: a packet, or
 * a burst of them, each. The answers to packets that belong to no stream wait in a ring of
 * their own; while it is full nothing more is taken from the guest, who has not taken its
 * answers. Nothing else ever stops the queue from the guest (section 5.10.6.1.2).
 */
#ifndef VMM_VIRTIO_VSOCK_MUX_H
#define VMM_VIRTIO_VSOCK_MUX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/vsock_table.h"

enum vsock_queue { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };

#define VSOCK_REFUSALS 64

struct vsock {
	struct virtio_device dev;
	struct virtq queue[VSOCK_QUEUES];
	struct virtio_vsock_config config;
	uint64_t cid;
	bool event_due; /* a transport reset of which the driver does not know */

	struct vsock_table table;
	struct list ready; /* streams with a packet for the guest, the next turn first */
	struct vsock_packet refusal[VSOCK_REFUSALS];
	unsigned refusal_at, refusals;

	/* Of vsock_host.c. */
	int listener;
	struct loop_source *listener_src;
	struct loop_source *listener_pause; /* the timer that ends it */
	struct loop_source *setup_timer;
	uint32_t setup_ms;
	int doorman; /* -1: the guest connects to nobody */
	struct loop_source *doorman_src;
};

/*
 * Move packets both ways until there are none or others on the loop want their turn. Call
 * it after anything happened: chains, sockets, credit.
 */
void vsock_mux_run(struct vsock *v);

/*
 * Something happened to @s: put it in the line if it has something for the guest, and let
 * it go when it is done. It may be freed.
 */
void vsock_mux_settle(struct vsock *v, struct vsock_stream *s);

/* The stream is not to be, before it is open. It may be freed. */
void vsock_mux_abandon(struct vsock *v, struct vsock_stream *s);

/* The driver is another one from now on: end all streams that the old one knew of. */
void vsock_mux_forget(struct vsock *v);

#endif
