/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hybrid vsock: the guest has a vsock device, the host a unix socket that the monitor
 * listens on. Who connects says "CONNECT <port>" and a newline, the monitor answers with
 * a line that begins with "OK" when somebody in the guest has accepted, and from then on
 * it is a stream; or it closes the connection (Firecracker's docs/vsock.md).
 */
#ifndef HOST_HYPERVISOR_HVSOCK_H
#define HOST_HYPERVISOR_HVSOCK_H

#include <stdint.h>

#include "base/loop.h"

/* Kata's name of that socket. */
#define HVSOCK_NAME "kata.hvsock"

/* The guest's context ID, in the words of the monitors that have such a socket. */
#define HVSOCK_CID 3

/* How long to wait after a refused attempt. */
#define HVSOCK_RETRY_MS 3

/* How long one attempt may go without an answer. */
#define HVSOCK_ANSWER_MS 2000

struct hvsock_dial;

/*
 * Connect to @port of the guest behind the socket @path, again and again until somebody
 * listens; then @done is called once, with the connected, non-blocking descriptor, which
 * it owns. With @limit_ms > 0 it is called with -ETIMEDOUT after that.
 */
typedef void (*hvsock_done)(int fd, void *arg);
struct hvsock_dial *hvsock_dial(struct loop *loop, const char *path, uint32_t port,
				int64_t limit_ms, hvsock_done done, void *arg);

/* Stop trying, or release after @done. NULL is allowed. Not from within @done. */
void hvsock_dial_free(struct hvsock_dial *dial);

#endif
