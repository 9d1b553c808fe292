/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages for a hugetlbfs. */
#ifndef AGENT_HUGEPAGES_H
#define AGENT_HUGEPAGES_H

#include "base/err.h"
#include "base/str.h"

/*
 * Have the kernel keep as many free huge pages as @options ("pagesize=BYTES",
 * "size=BYTES") make up. -ENOMEM when it cannot. @sys is the place of sysfs.
 */
int hugepages_reserve(const char *sys, char *const *options, size_t n, struct err *err);

#endif
