/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent and a process that it prepares say to each other over a
 * SOCK_SEQPACKET pair, until exec closes the process's end:
 *
 *	agent → GO      its cgroup, limits and ID maps are set
 *	      ← READY   all is set up; with a terminal its master is attached
 *	agent → START   exec
 *	      ← FAILED  at any time: why not
 */
#ifndef AGENT_SYNC_H
#define AGENT_SYNC_H

#include <stdint.h>

#include "base/err.h"

enum sync_kind { SYNC_GO = 1, SYNC_READY, SYNC_START, SYNC_FAILED };

struct sync_msg {
	uint32_t kind;
	struct err err; /* FAILED */
	int fd;		/* READY: the terminal's master (owned by the receiver) or -1 */
};

/* Send; @err for FAILED, @fd ≥ 0 attached. 0 or -errno. */
int sync_send(int sock, enum sync_kind kind, const struct err *err, int fd);

/* Receive one message. 1; 0 at the end; -errno (-EAGAIN when @sock is non-blocking). */
int sync_recv(int sock, struct sync_msg *msg);

#endif
