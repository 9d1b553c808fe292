/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that somebody on the host makes to the loopback inside of a pod's network
 * namespace. The pod's processes are not there, they are in the guest: an engine that
 * forwards a port (containerd enters the namespace and connects to localhost) would find
 * nobody. Here they are accepted, whatever the port, and handed over.
 *
 * Ports that somebody on this side of the namespace listens on are left to him (the
 * resolver that Docker puts there, say). Who begins to listen is found at the first
 * connection to his port, which is carried to him; so is who listened before, in the first
 * second, where the kernel has yet to load its module that knows.
 */
#ifndef HOST_NETWORK_LOOPBACK_H
#define HOST_NETWORK_LOOPBACK_H

#include <sys/socket.h>

#include "base/err.h"
#include "base/loop.h"

struct net_loopback;

/* Somebody has connected to @to: @fd is non-blocking and the callee's. */
typedef void (*net_loopback_cb)(int fd, const struct sockaddr_storage *to, void *arg);

/*
 * Take the connections in @netns (borrowed during the call) from now on. NULL and @err:
 * -EBUSY for the host's own namespace, whose connections are not the pod's; -ENOTSUP when
 * the kernel has no means.
 */
struct net_loopback *net_loopback_open(struct loop *loop, int netns, net_loopback_cb cb, void *arg,
				       struct err *err);

/* Leave the namespace as it was; what was handed over stays. NULL in *@l is allowed. */
void net_loopback_close(struct net_loopback **l);

/* Close @fd so that who has connected finds it reset. */
void net_loopback_reset(int fd);

#endif
