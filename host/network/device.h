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

/* Raise it, with @mtu (0: as it is), so that the kernel says nothing on it by itself. */
int device_raise_silent(int nl, int index, unsigned mtu);
int device_set_mac(int nl, int index, const uint8_t mac[NET_MAC_LEN]);
int device_set_mtu(int nl, int index, unsigned mtu);

/* A macvtap @name with @mac on the link @lower. */
int device_add_macvtap(int nl, const char *name, int lower, const uint8_t mac[NET_MAC_LEN]);

int device_add_address(int nl, int index, const struct net_ip *ip);
int device_remove_address(int nl, int index, const struct net_ip *ip);

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
