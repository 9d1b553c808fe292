/* SPDX-License-Identifier: Apache-2.0 */
/* What a stand-in does all its life: passes on signals, and waits for the end. */
#ifndef HOST_STANDIN_SERVE_H
#define HOST_STANDIN_SERVE_H

#include "host/standin/protocol.h"

/* Send a record; @text NULL: none. */
void serve_tell(int sock, enum standin_kind kind, int value, const char *text);

/* Hold all signals, so that none gets lost before serve(). A descriptor to read them, or -1. */
int serve_hold_signals(void);

/* Returns the status to end with. */
int serve(int signals, int control, int shim);

#endif
