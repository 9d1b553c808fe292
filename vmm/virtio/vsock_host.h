/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unix sockets of the socket device: the one that the host's programs connect to with
 * the hybrid handshake, and those that the guest's programs reach by their port.
 */
#ifndef VMM_VIRTIO_VSOCK_HOST_H
#define VMM_VIRTIO_VSOCK_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/virtio/vsock_mux.h"

/* Of the handshake's line, its end included: "CONNECT 4294967295\n" has 19. */
#define VSOCK_GREETING_MAX 32

/* Begin to accept clients: 0 or -errno and @err. */
int vsock_host_start(struct vsock *v, struct err *err);
/* Accept none, forget the timers. Streams are the table's. Allowed when not started. */
void vsock_host_stop(struct vsock *v);

/* The guest's REQUEST: a stream that the doorman is asked for; NULL: there can be none. */
struct vsock_stream *vsock_host_call(struct vsock *v, uint32_t host_port, uint32_t guest_port);

/* The guest accepted: tell the client. False when it is gone. */
bool vsock_host_accepted(struct vsock_stream *s);

#endif
