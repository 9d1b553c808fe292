/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of [hypervisor.X] may say: the rules that several drivers have, each in one
 * place. A driver's keys.c is a list of these and of what is its own; a key without a rule
 * does what the configuration file says of it, in the driver or in the layers above.
 *
 * Pure: the configuration is looked at and nothing of the host. A function returns 0, or a
 * negative errno and an @err that begins "hypervisor.X.KEY: ", X being the table that
 * the configuration has: -ENOTSUP for what this driver cannot do (another one may), -EINVAL
 * for what no driver could.
 */
#ifndef HOST_HYPERVISOR_KEYS_H
#define HOST_HYPERVISOR_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "host/config/config.h"

/* MiB below which a guest's kernel with its initrd does not come up. */
#define KEYS_MEMORY_MIN 64

/* A key that must have the value that it has when nobody sets it. */
struct key_refusal {
	const char *key; /* of [hypervisor.X]; asserted to be one */
	const char *why; /* the reason in words: "the machine has no PCI bus" */
};

/* -ENOTSUP, "hypervisor.X.KEY: is not supported: WHY", for the first of @refusals that is set. */
int keys_refuse(const struct config *config, const struct key_refusal *refusals, size_t n,
		struct err *err);

/*
 * @value, that of the string @key, is one of the NULL-terminated @choices, or -ENOTSUP and
 * what there is to choose from. A choice "" (not set) is allowed without being listed. @why is
 * NULL or what the choice depends on: "the machine is of the type pc".
 */
int keys_choose(const struct config *config, const char *key, const char *value,
		const char *const *choices, const char *why, struct err *err);

/* default_memory is at least @min MiB and default_maxmemory, if set, not below it: or -EINVAL. */
int keys_check_memory(const struct config *config, int64_t min, struct err *err);

/* default_vcpus is at most @max, or -EINVAL. */
int keys_check_vcpus(const struct config *config, unsigned max, struct err *err);

/*
 * The limiter "NAME_max_rate" with its "NAME_one_time_burst": a burst needs a rate, and with
 * @bits neither is less than a byte. 0 or -EINVAL.
 */
int keys_check_rate(const struct config *config, const char *name, int64_t rate, int64_t burst,
		    bool bits, struct err *err);

/* log_level is one that there is, or -EINVAL. */
int keys_check_log_level(const struct config *config, struct err *err);

/*
 * For rules of a driver's own: set @err to "hypervisor.X.KEY: " and the words. Returns -@code,
 * a positive errno.
 */
__attribute__((format(printf, 5, 6))) int keys_error(const struct config *config, int code,
						     const char *key, struct err *err,
						     const char *fmt, ...);

#endif
