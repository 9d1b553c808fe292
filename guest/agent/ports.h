/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's channels to its host: virtio-serial ports and vsock. */
#ifndef AGENT_PORTS_H
#define AGENT_PORTS_H

#include "base/err.h"

/* Open the virtio-serial port called @name, non-blocking. -ENOENT when there is none (yet). */
int port_open(const char *name);

/* Listen on the vsock @port, non-blocking. -ENODEV and the like without a transport. */
int vsock_listen(unsigned cid, unsigned port);

#endif
