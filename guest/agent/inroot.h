/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths inside a container's root, seen from outside: whatever symbolic links
 * the image holds, nothing here leaves the root (openat2(2), RESOLVE_IN_ROOT).
 */
#ifndef AGENT_INROOT_H
#define AGENT_INROOT_H

#include <stdbool.h>

#include "base/err.h"

/* Open @path below the directory @root with @flags | O_CLOEXEC. Descriptor or -errno. */
int inroot_open(int root, const char *path, int flags);

/*
 * The directory (or regular file) @path below @root as an O_PATH descriptor.
 * What is missing of it is made, also where a symbolic link leads nowhere yet:
 * images have such links for /etc/resolv.conf. Returns it or -errno.
 */
int inroot_make(int root, const char *path, bool dir, struct err *err);

/*
 * Split @path in its parent directory, made as needed (descriptor), and its last name. Slashes
 * at the end do not count. -EINVAL without a name.
 */
int inroot_make_parent(int root, const char *path, char **name, struct err *err);

#endif
