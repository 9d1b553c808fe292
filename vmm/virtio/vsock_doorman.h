/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who connects the guest to the host's services. The monitor cannot: in its jail there are
 * no names and it is nobody's user. So a process that stays outside is told a port, connects
 * to <path>_<port> and hands the connection in. That is all that it can be asked for, also
 * by a monitor that a guest has taken over. It keeps its user, who may write to these sockets,
 * and of root's capabilities the one to do so whoever owns them; no others, nothing open, no
 * processes or files to come; of system calls those of its line in vmm/seccomp.table.
 *
 * In the end it also removes <path>, which the monitor cannot either. It is there only if the
 * guest may connect to the host at all; Kata needs no such thing.
 */
#ifndef VMM_VIRTIO_VSOCK_DOORMAN_H
#define VMM_VIRTIO_VSOCK_DOORMAN_H

#include <stdint.h>

#include "base/err.h"

/* What the monitor asks for, each in a message of its own. */
struct vsock_call {
	uint32_t host_port, guest_port;
};

/* The answer, in any order: with a connected descriptor unless @error (an errno) is set. */
struct vsock_answer {
	struct vsock_call call;
	int32_t error;
};

/*
 * Start the process, which ends when the descriptor that is returned (SOCK_SEQPACKET,
 * non-blocking) is closed. Before there are threads, and before what it should not hold is
 * open. @confine, called in it last, takes away the system calls that it does not make; NULL:
 * it keeps them. -errno and @err.
 */
int vsock_doorman_start(const char *path, int (*confine)(struct err *err), struct err *err);

/* Its work: wait for a call on @sock, answer it. 1; 0: no more come; -errno. */
int vsock_doorman_serve(int sock, const char *path);

/* The monitor's side. 0, -EAGAIN: not now, -errno: not ever. */
int vsock_doorman_call(int sock, const struct vsock_call *call);
/*
 * The next answer, with a descriptor that is the caller's or -1 in *@fd. 1; 0: none yet;
 * -errno: the process is gone.
 */
int vsock_doorman_answer(int sock, struct vsock_answer *answer, int *fd);

#endif
