/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket device (virtio 1.2, section 5.10) in user space: streams between the guest
 * and unix sockets of the host, with the hybrid handshake that Kata and Firecracker use.
 *
 * A program of the host connects to the device's socket, says "CONNECT <port>\n" (in
 * capitals or not), is told "OK <host port>\n" once a program of the guest has accepted,
 * and has its stream. A program of the guest that connects to port P of CID 2 reaches
 * the unix socket <path>_P, if somebody listens there (vsock_doorman.h).
 */
#ifndef VMM_VIRTIO_VSOCK_H
#define VMM_VIRTIO_VSOCK_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/virtio/device.h"

#define VSOCK_CID_DEFAULT 3 /* as in Kata; 0 to 2 are reserved */
#define VSOCK_SETUP_MS	  10000

struct virtio_vsock_setup {
	/* A listening unix stream socket, non-blocking; taken over. -1: only the guest connects. */
	int listener;
	int doorman; /* from vsock_doorman_start(); taken over. -1: only the host connects. */
	uint64_t cid;
	/*
	 * How long a client of the host may take from connect() to the guest's answer; 0:
	 * VSOCK_SETUP_MS.
	 */
	uint32_t setup_ms;
};

/* NULL and @err, for a CID that cannot be among others. @loop, @mem and @id are borrowed. */
struct virtio_device *virtio_vsock_new(const struct virtio_vsock_setup *setup, const char *id,
				       struct loop *loop, const struct memory *mem,
				       struct err *err);

/*
 * For the restore of a snapshot: the streams of the machine that was saved are none of
 * this one's. They end, and the driver is told so (section 5.10.6.7).
 */
void virtio_vsock_transport_reset(struct virtio_device *dev);

#endif
