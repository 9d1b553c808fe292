/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of a namespace, one request each, on a route socket of it (netns_netlink()).
 * All return 0 or -errno; who asks says what it was about.
 */
#ifndef HOST_NETWORK_DEVICE_H
#define HOST_NETWORK_DEVICE_H

#include <stdint.h>

#include "host/network/scan.h"

/* The index of the link @name; -ENODEV. */
int device_index(int nl, const char *name);

int device_remove(int nl, const char *name);

/* Raise it; or with @mtu (0: as it is), so that the kernel says nothing on it by itself. */
int device_raise(int nl, int index);
int device_raise_silent(int nl, int index, unsigned mtu);

/* Whether it takes the frames of all groups, not of those alone that the host has joined. */
int device_take_groups(int nl, int index, bool all);

/* A macvtap @name that has the link @lower for itself. */
int device_add_macvtap(int nl, const char *name, int lower);

/* ---- tc.c: queueing disciplines and filters ----------------------------------------- */

/* Where filters see what comes in; -EEXIST when somebody has put one there. */
int tc_add_ingress(int nl, int index);
int tc_remove_ingress(int nl, int index);

/* All that comes in at @from goes out at @to. */
int tc_redirect(int nl, int from, int to);

/*
 * What goes out at @index is at most @bits each second; -EEXIST when there is a discipline
 * that somebody has chosen.
 */
int tc_limit(int nl, int index, uint64_t bits, unsigned mtu);
int tc_remove_limit(int nl, int index);

#endif
