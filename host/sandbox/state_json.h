/* SPDX-License-Identifier: Apache-2.0 */
/* The form of the state file; see state.h. Pure. */
#ifndef HOST_SANDBOX_STATE_JSON_H
#define HOST_SANDBOX_STATE_JSON_H

#include "host/sandbox/state.h"

/* Grows when a reader of the old form would misunderstand the new one. */
#define STATE_VERSION 1

/* The caller frees. Never NULL. */
char *state_to_json(const struct sandbox_state *st);

/*
 * Fill @st, which is of state_new(), from the text of a file. -EINVAL for what
 * is no JSON, another version, another sandbox, a member of a wrong type, or a
 * path that could not be ours. @st is to be freed in either case.
 */
int state_from_json(const char *text, size_t len, struct sandbox_state *st, struct err *err);

#endif
