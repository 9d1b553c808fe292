/* SPDX-License-Identifier: Apache-2.0 */
/* The stand-in's surroundings. What fails says so in *@what, and errno says why. */
#ifndef HOST_STANDIN_ENTER_H
#define HOST_STANDIN_ENTER_H

#include "host/standin/options.h"

/*
 * Enter the namespaces, set the host name, and take the root with those mounts of
 * the container whose source and target are there; nothing is made in it. A new
 * pid namespace begins with the next child. 0, or -1.
 */
int enter(const struct options *o, const char **what);

/* In that child: /proc, where the root has a place for it. */
void enter_proc(const struct options *o);

/* Away from the caller's session; the terminal, if any, is the new one's. 0, or -1. */
int enter_session(const struct options *o, const char **what);

/* Whatever comes, it may do nothing more on the host. */
void enter_drop_rights(void);

#endif
