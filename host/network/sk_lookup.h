/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which socket gets a connection to the loopback of a network namespace: a program of
 * type BPF_PROG_TYPE_SK_LOOKUP (Linux 5.9) that is asked before the kernel looks for a
 * listener. It goes away with its descriptor, also when this process is killed.
 */
#ifndef HOST_NETWORK_SK_LOOKUP_H
#define HOST_NETWORK_SK_LOOKUP_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SK_LOOKUP_PROGRAM_MAX 48

/* Ports that may be left alone at a time. */
#define SK_LOOKUP_PORTS_MAX 1024

struct sk_lookup {
	int link, ports; /* descriptors; -1: none */
};

#define SK_LOOKUP_NONE \
	{              \
		-1, -1 \
	}

/*
 * The program: TCP to 127.0.0.0/8 and to ::1 gets the socket that stands at 0 and at 1 of
 * the map @sockets, unless its port is in the map @ports. Both are descriptors. Returns
 * its length. Pure.
 */
size_t sk_lookup_program(int sockets, int ports, struct bpf_insn code[SK_LOOKUP_PROGRAM_MAX]);

/*
 * From now on the listening sockets @v4 and @v6 (-1: none; borrowed) get all such
 * connections in @netns. -ENOTSUP when the kernel cannot do that, or does not let us.
 */
int sk_lookup_attach(int netns, int v4, int v6, struct sk_lookup *s, struct err *err);

/* Leave @port to whoever listens there, or take it. 0 or -errno. */
int sk_lookup_leave(const struct sk_lookup *s, uint16_t port, bool leave);

/* Any half-made thing. */
void sk_lookup_detach(struct sk_lookup *s);

#endif
