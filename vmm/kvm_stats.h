/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What KVM itself counts of a machine and its processors (Linux Documentation/virt/kvm/
 * api.rst, KVM_GET_STATS_FD): exits that never come to the monitor, the guest's page faults.
 * Opened before the jail; read at any time by one thread.
 */
#ifndef VMM_KVM_STATS_H
#define VMM_KVM_STATS_H

#include "base/str.h"

struct kvm_stats;

/* Room for @n_sources: the machine first, then its processors. NULL is allowed everywhere below. */
struct kvm_stats *kvm_stats_new(unsigned n_sources);
void kvm_stats_free(struct kvm_stats *s);

/*
 * Count the source behind @fd too, the descriptor that KVM_GET_STATS_FD answered, taken over
 * (negative: this KVM does not count). Which of its numbers are of use is found out when they
 * are asked for first.
 */
void kvm_stats_add(struct kvm_stats *s, int fd);

/* Append " kvm-exits=… kvm-halts=…", summed up over all sources; nothing without any. */
void kvm_stats_tell(struct kvm_stats *s, struct str *out);

#endif
