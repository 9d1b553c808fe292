/* SPDX-License-Identifier: Apache-2.0 */
/* Of what a root file system that is mounted on this host is made. */
#ifndef HOST_STORAGE_IMAGE_LAYERS_H
#define HOST_STORAGE_IMAGE_LAYERS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct layers {
	struct strv lower; /* directories, the topmost first; at least one */
	char *upper;	   /* what is written to; NULL: they are read-only, or no overlay */
	bool overlay;	   /* false: `lower` is the one directory itself */
	struct strv with;  /* options that such an overlay has to be mounted with */
	char *beside;	   /* a directory that goes when the root goes; NULL: none is known */
	bool mounted_in;   /* something else is mounted below it */
};

/*
 * Look at @rootfs in @mountinfo, which is the text of /proc/PID/mountinfo of the namespace
 * that the caller is in. What is no overlay, or one whose layers are not to be found, is a
 * directory. 0, or -errno for a directory that is not there. The caller frees.
 */
int layers_find(const char *mountinfo, const char *rootfs, struct layers *l, struct err *err);
void layers_free(struct layers *l);

#endif
