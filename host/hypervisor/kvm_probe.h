/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is KVM usable? Measured, not assumed: a /dev/kvm that opens and creates
 * machines may still be unable to run a stock kernel (one that interprets
 * guest kernel code, for example). The probe runs real guest code in a
 * throw-away machine in a child process, with a limit of 50 ms for that code.
 */
#ifndef HOST_HYPERVISOR_KVM_PROBE_H
#define HOST_HYPERVISOR_KVM_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct kvm_probe {
	bool usable;
	bool present;	   /* /dev/kvm exists and opens */
	uint32_t loops_ms; /* guest loop rounds per millisecond, 0 when not measured */
	char reason[160];  /* one sentence for people, always set */
};

/*
 * The result for this host: from the cache of this boot (/run/kata-containers/
 * kvm-probe for root, $XDG_RUNTIME_DIR otherwise; keyed by boot ID and by the
 * device's identity), measured and cached when there is none. Never fails.
 * Measuring takes a few ms on hardware, some 160 ms where KVM fails for being
 * slow and below five seconds whatever happens. @fresh ignores the cache.
 */
void kvm_probe(struct kvm_probe *result, bool fresh);

/*
 * A descriptor of /dev/kvm for whoever can do nothing without it; -ENOTSUP and @err, which
 * says what is wrong with it and what to use instead.
 */
int kvm_open(struct err *err);

#endif
