/* SPDX-License-Identifier: Apache-2.0 */
/* Who listens on a namespace's loopback: sock_diag(7). */
#ifndef HOST_NETWORK_LISTENERS_H
#define HOST_NETWORK_LISTENERS_H

#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define LISTENERS_MAX 1024

/* Ports of TCP that are listened on, whatever the family; more than fit are left out. */
struct listeners {
	uint16_t port[LISTENERS_MAX];
	size_t n;
	ino_t except[2]; /* sockets that do not count; set by the caller */
};

/* A socket for the namespace that this process is in, or -errno. */
int listeners_open(struct err *err);

/* Ask for all, by a socket of listeners_open(). 0 or -errno: @l is as it was. */
int listeners_read(int nl, struct listeners *l);

bool listeners_have(const struct listeners *l, uint16_t port);

/*
 * Whether somebody takes connections at @at, of 127.0.0.0/8, for names: at port 53, or at another
 * one to which the port is mapped, as Docker does. At 127.0.0.1 all sorts of programs listen:
 * there it is the port itself.
 */
bool listeners_serve_names(int nl, struct in_addr at);

/* Add what @m tells of, if that is a listener that connections to the loopback reach. */
void listeners_take(const struct nlmsghdr *m, struct listeners *l);

#endif
