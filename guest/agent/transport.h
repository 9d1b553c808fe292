/* SPDX-License-Identifier: Apache-2.0 */
/* Where the agent can be called. */
#ifndef AGENT_TRANSPORT_H
#define AGENT_TRANSPORT_H

#include "guest/agent/agent.h"

/*
 * Listen on vsock port AGENT_VSOCK_PORT, where the kernel has one already, before there is a
 * server: who calls while the machine is made ready waits, and need not call again.
 */
void transport_early(void);

/*
 * Serve agent->server at the configured address: unix:///path, unix://@name,
 * vsock://CID:PORT, serial:///dev/x or serial://NAME of a virtio-serial port.
 * Without one: on the port AGENT_PORT_NAME, as soon as it appears, and on
 * vsock port AGENT_VSOCK_PORT, whichever the machine has. When it has neither
 * after some seconds the loop ends with -ENODEV.
 */
int transport_open(struct agent *agent, struct err *err);

/* Remove what transport_open() left in the file system. */
void transport_close(void);

#endif
