/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages of this host, which a machine's memory may be made of. */
#ifndef HOST_HYPERVISOR_HUGEPAGES_H
#define HOST_HYPERVISOR_HUGEPAGES_H

#include <stdint.h>

#include "base/err.h"

/*
 * Whether @mib MiB of memory can be had in pages of the default size: free ones, and those
 * that the kernel may make. -ENOMEM and how many there are; @key is for the message.
 */
int hugepages_check(const char *key, uint64_t mib, struct err *err);

/* The same for the words of /proc/meminfo @meminfo and @more pages that may be made. Pure. */
int hugepages_judge(const char *key, uint64_t mib, const char *meminfo, uint64_t more,
		    struct err *err);

#endif
