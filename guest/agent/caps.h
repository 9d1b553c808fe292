/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities by the kernel's own calls: capabilities(7), capget(2), prctl(2). */
#ifndef AGENT_CAPS_H
#define AGENT_CAPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/oci.pb-c.h"

#define CAP_MAX 63 /* no kernel can have a higher one */

struct cap_sets {
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

/*
 * "CAP_CHOWN" (any case) → its number, -EINVAL for an unknown name. The Rust
 * runtime leaves "CAP_" out, and some clients send the name in quotes. Pure.
 */
int cap_number(const char *name);

/*
 * The sets that @spec names. What the running kernel (@last: its highest
 * capability) does not know is left out, as the specification wants; a name that
 * nobody knows is left out too and returned in *@unknown (borrowed, or NULL).
 */
void cap_sets_parse(const Grpc__LinuxCapabilities *spec, int last, struct cap_sets *sets,
		    const char **unknown);

/* The highest capability of the running kernel. */
int cap_last(void);

/* Drop from the bounding set all that @sets lacks. Before the user changes. */
int cap_bound(const struct cap_sets *sets, int last, struct err *err);

/*
 * Set the other sets. After the user changed, with PR_SET_KEEPCAPS in effect. The
 * capabilities of the mask @spare stay permitted beside them, until cap_settle().
 * @sets is reduced to what the caller can give.
 */
int cap_apply(struct cap_sets *sets, int last, uint64_t spare, struct err *err);

/* Make what cap_apply() spared effective; give it up, by one system call. */
int cap_raise(const struct cap_sets *sets, uint64_t spare, struct err *err);
int cap_settle(const struct cap_sets *sets, struct err *err);

#endif
