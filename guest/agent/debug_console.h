/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shell in the guest for whoever looks for a fault, only if agent.debug_console
 * says so: at a vsock port (agent.debug_console_vport, usually 1026), at the
 * virtio-serial port AGENT_CONSOLE_NAME, or, without a port number, at the
 * machine's console. A local process has it at the unix socket
 * "<its own>.console".
 */
#ifndef AGENT_DEBUG_CONSOLE_H
#define AGENT_DEBUG_CONSOLE_H

#include "guest/agent/agent.h"

/* Failures are logged: a machine without it is still a machine. */
void debug_console_open(struct agent *agent);
void debug_console_close(void);

#endif
