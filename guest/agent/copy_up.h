/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_COPY_UP_H
#define AGENT_COPY_UP_H

#include "base/err.h"

/*
 * Copy what is in the directory @from (O_PATH will do) into the directory @to:
 * files, directories and symbolic links with their modes and owners. No link is
 * followed, nothing but those three kinds is copied, and at most
 * COPY_UP_DEPTH levels of directories (-ELOOP).
 */
#define COPY_UP_DEPTH 64
int copy_up(int from, int to, struct err *err);

#endif
