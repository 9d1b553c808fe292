/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking for files where those who named them see them. A process with a mount
 * namespace of its own does not see what is mounted later below mounts that do not
 * propagate, such as the root file systems of Podman's containers.
 */
#ifndef HOST_STORAGE_SOURCE_H
#define HOST_STORAGE_SOURCE_H

#include <stdbool.h>

struct source_place {
	int ns;	  /* a mount namespace; -1: the caller's */
	int root; /* the root directory in it; -1: the namespace's own */
};

#define SOURCE_HERE    \
	{              \
		-1, -1 \
	}

/*
 * A copy of the mount tree at @path (absolute), which is attached nowhere yet: a
 * descriptor with close-on-exec, or -errno.
 */
int source_open(const struct source_place *place, const char *path);

/* Whether @path is one and the same file in @place and here. */
bool source_is_here(const struct source_place *place, const char *path);

#endif
