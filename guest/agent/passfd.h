/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that the host connects itself: instead of ReadStdout and its like,
 * Kata's Rust runtime (use_passfd_io) makes a connection for each to a port of
 * the agent's (agent.passfd_listener_port), and names in CreateContainer and
 * ExecProcess the ports that they come from.
 */
#ifndef AGENT_PASSFD_H
#define AGENT_PASSFD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct agent;

/* What a process's stdin, stdout and stderr are connected to; -1: to nothing. Owned. */
struct passfd {
	bool on; /* otherwise they are the calls' */
	int fd[3];
};

#define PASSFD_OFF                 \
	{                          \
		false,             \
		{                  \
			-1, -1, -1 \
		}                  \
	}

/*
 * Listen, if it is configured: at that port of vsock, as soon as the machine has
 * one; a local process at the unix socket SOCKET.passfd, where the port of who
 * connects is the number that the name of its own socket ends with.
 */
void passfd_open(struct agent *agent);
void passfd_close(void);

/*
 * The connections from these ports; 0: none. Without any, @p stays off.
 * -EINVAL when nobody has connected from one of them, or nobody could.
 */
int passfd_take(uint32_t in, uint32_t out, uint32_t err_port, struct passfd *p, struct err *err);

/* Close what was not handed on. */
void passfd_done(struct passfd *p);

#endif
