/* SPDX-License-Identifier: Apache-2.0 */
/* Containers by a pattern of their IDs. */
#ifndef HOST_CLI_MATCHING_H
#define HOST_CLI_MATCHING_H

#include "base/err.h"
#include "base/str.h"

/*
 * Append the IDs below @root in which @pattern is found, a POSIX extended regular expression;
 * those of sandboxes whose state cannot be read, too. -EINVAL, naming the pattern, for one that
 * is none, is empty, or could take long: beyond 256 bytes, with back references, or with
 * intervals that multiply to more than 10000.
 */
int matching_ids(const char *root, const char *pattern, struct strv *ids, struct err *err);

#endif
