/* SPDX-License-Identifier: Apache-2.0 */
/* vhost-vsock: a context ID for a machine, and reaching a port in it (vsock(7)). */
#ifndef HOST_HYPERVISOR_VSOCK_H
#define HOST_HYPERVISOR_VSOCK_H

#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

/* The agent's port, Kata's number. */
#define VSOCK_AGENT_PORT 1024

/* How long to wait after a refused attempt. */
#define VSOCK_RETRY_MS 3

/*
 * Open a vhost device and give it a context ID that no other machine has.
 * Returns the descriptor, which holds the ID until it is closed, or -errno:
 * this host has no vhost-vsock (@err tells).
 */
int vsock_open(uint32_t *cid, struct err *err);

struct vsock_dial;

/*
 * Connect to @port of @cid, again and again until somebody listens; then @done
 * is called once with the connected, non-blocking descriptor, which it owns.
 */
typedef void (*vsock_done)(int fd, void *arg);
struct vsock_dial *vsock_dial(struct loop *loop, uint32_t cid, uint32_t port, vsock_done done,
			      void *arg);

/* Stop trying, or release after @done. NULL is allowed. */
void vsock_dial_free(struct vsock_dial *dial);

#endif
