/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's channels to its host: virtio-serial ports and vsock. */
#ifndef AGENT_PORTS_H
#define AGENT_PORTS_H

#include <stdbool.h>

#include "base/err.h"

/* Open the virtio-serial port called @name, non-blocking. -ENOENT when there is none (yet). */
int port_open(const char *name);

/* The machine has a vsock: a socket alone works without, and nobody could ever connect. */
bool vsock_works(void);

/* Listen on the vsock @port, non-blocking, whether it works already or not. */
int vsock_bind(unsigned cid, unsigned port);

/* The same; -ENODEV without a vsock. */
int vsock_listen(unsigned cid, unsigned port);

#endif
