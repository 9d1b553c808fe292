/* SPDX-License-Identifier: Apache-2.0 */
/* Links of the guest: found, named, and given what the pod's have. */
#ifndef AGENT_LINK_H
#define AGENT_LINK_H

#include <net/if.h>
#include <stdint.h>

#include "base/err.h"

struct link {
	int index;
	unsigned flags; /* IFF_* */
	uint32_t mtu;
	uint8_t mac[6]; /* zeros when it has none of that length */
	char name[IFNAMSIZ];
};

/*
 * The link @name or, when that is NULL, the first one with the hardware address
 * @mac. @nl: nl_open(). 0, -ENODEV when there is none, -errno.
 */
int link_find(int nl, const char *name, const uint8_t *mac, struct link *found);

#endif
