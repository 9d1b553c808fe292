/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's mounts in the root of what stands for it, for those who look at or copy its
 * files from the host: binds are what they are in the container. What else is mounted there is
 * in the machine alone; in its place lies an empty file system that takes no files and says so,
 * where the image's directory below it would be taken for the container's.
 */
#ifndef HOST_STANDIN_PLACE_H
#define HOST_STANDIN_PLACE_H

#include "host/standin/options.h"

/* In the place of a root or a mount whose files are in the machine. */
#define ELSEWHERE "what-this-container-has-is-in-its-machine"

/* Write that word into the directory @dir. 0 or -1. */
int place_word(int dir);

/* What is to be mounted, while the caller's paths still mean what they say. NULL: none. */
int *place_open(const struct options *o);

/* Mount it, within the new root, so that no link in it leads out. Releases @trees. */
void place_mounts(const struct options *o, int *trees);

#endif
