/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stand-in says to the shim and to kata-runtime, and they to it.
 *
 * A stand-in is the process on the host that stands for one process in a
 * machine: engines adopt it, signal it, wait for it, and look at its namespaces
 * and its root. kata-runtime starts it, so that it is kata-runtime's child and,
 * once that has ended, a child of the engine that is the subreaper.
 *
 * It has two sockets (SOCK_SEQPACKET), with one record in each packet:
 *
 *   control, to kata-runtime     PID, READY or ERROR →     ← RELEASE
 *   shim, to the sandbox         RELEASED, SIGNAL →        ← ENDED
 *
 * Until it is released it ends when kata-runtime does. When the shim's end closes
 * before ENDED, it ends with STANDIN_LOST.
 */
#ifndef HOST_STANDIN_PROTOCOL_H
#define HOST_STANDIN_PROTOCOL_H

#include <stdint.h>

enum standin_kind {
	STANDIN_PID = 1,  /* value: its pid, as kata-runtime sees it */
	STANDIN_READY,	  /* namespaces and root are as they were asked for */
	STANDIN_ERROR,	  /* value: an errno; text: what failed */
	STANDIN_RELEASE,  /* live on without kata-runtime */
	STANDIN_RELEASED, /* it does */
	STANDIN_SIGNAL,	  /* value: a signal that it got */
	STANDIN_ENDED,	  /* value: the status to end with, 0 to 255 */
};

struct standin_record {
	int32_t kind;
	int32_t value;
	char text[120]; /* of STANDIN_ERROR, NUL-terminated */
};

/* Status of what nobody knows the end of: 128 + SIGKILL. */
#define STANDIN_LOST 137

#endif
