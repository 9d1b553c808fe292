/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The poststop hooks of a container whose shim is gone: whoever clears up after it runs
 * them, when it is done.
 */
#ifndef HOST_SANDBOX_POSTSTOP_H
#define HOST_SANDBOX_POSTSTOP_H

#include "host/sandbox/state.h"

struct poststop;

/*
 * What is known of container @id before its state is cleared; NULL when it has no such hooks,
 * or its bundle can no longer be read. @st is borrowed for the call.
 */
struct poststop *poststop_of(struct sandbox_state *st, const char *id);

/*
 * Run them, here and as long as they may take, and release. What fails is for the log, as the
 * specification has it. NULL is allowed.
 */
void poststop_run(struct poststop *p);

/* Release; they are not run. NULL is allowed. */
void poststop_free(struct poststop *p);

#endif
