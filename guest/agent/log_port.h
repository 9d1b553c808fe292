/* SPDX-License-Identifier: Apache-2.0 */
/* Where the agent's log goes in a machine. */
#ifndef AGENT_LOG_PORT_H
#define AGENT_LOG_PORT_H

#include "guest/agent/agent.h"

/*
 * Begin with the console (PID 1) or stderr. Every descriptor used later is
 * non-blocking: a line that the host does not read in time is lost.
 */
void log_port_console(struct agent *agent);

/*
 * Listen where hosts usually ask for the log, where the kernel has a vsock already: who connects
 * while the machine is made ready gets all that is said from then on.
 */
void log_port_early(void);

/*
 * Move the log to the virtio-serial port AGENT_LOG_NAME as soon as it appears,
 * or to whoever connects to the configured vsock port; for a local process, to
 * its unix socket SOCKET.log if a port is configured.
 */
void log_port_open(struct agent *agent);
void log_port_close(void);

#endif
