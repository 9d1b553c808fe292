/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's first container is made anew while others still have its machine, as `podman pod
 * restart` does: it ends the first, makes it again in a new network, and only then comes to the
 * others, which it ends and makes again, too. On the host they would be left in namespaces that
 * lead nowhere; here they end first, so that the pod gets a machine.
 */
#ifndef CLI_RENEW_H
#define CLI_RENEW_H

#include <stdbool.h>

#include "base/err.h"
#include "host/sandbox/state.h"

/*
 * Whether the sandbox @st, whose first container @id is no more, is one to make room: all that
 * are left name it as their pod. Pure.
 */
bool renew_is_due(const struct sandbox_state *st, const char *id);

/* End them by SIGTERM, after 10 s by SIGKILL, and clear the sandbox. 0 or -errno. */
int renew_make_room(struct sandbox_state *st, struct err *err);

#endif
