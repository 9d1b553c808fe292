/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the caller may do what a container in a machine takes on the host. */
#ifndef HOST_CLI_RIGHTS_H
#define HOST_CLI_RIGHTS_H

#include <sys/types.h>

#include "base/err.h"

/*
 * -EPERM and a sentence for who is not root, or root in a user namespace alone, as rootless
 * engines are. @uid, and @map: the text of /proc/self/uid_map.
 */
int rights_judge(uid_t uid, const char *map, struct err *err);

/* The same of this process. */
int rights_check(struct err *err);

#endif
